import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.CompactArrayOf;
import org.apache.kafka.common.protocol.types.ArrayOf;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * Apache Kafka's own message classes as an oracle for a codec of the wire protocol.
 *
 *   schemas [API]   the fields of every version of every message (or of one API), as Kafka's classes declare them
 *   errors          every error code with its name and whether it is retriable
 *   convert         reads lines from standard input, answers each with one line:
 *                     encode API VERSION request|response JSON   ->  hex of the message body
 *                     decode API VERSION request|response HEX    ->  JSON
 *                   a line that fails is answered with 'error: ...'
 *   vectors SEED COUNT   reads lines 'MESSAGE FIRST-LAST' (ProduceRequest 3-13, ConsumerProtocolAssignment 0-3), answers with
 *                   COUNT random messages of each version: 'MESSAGE VERSION HEX JSON', the bytes and the JSON being Kafka's
 */
public class KafkaWire {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8));
    run(args);
    System.out.flush();
  }

  private static void run(String[] args) throws Exception {
    switch (args.length == 0 ? "" : args[0]) {
      case "schemas" -> schemas(args.length > 1 ? args[1] : null);
      case "errors" -> {
        for (Errors e : Errors.values()) {
          System.out.println(e.code() + " " + e.name() + (e.exception() instanceof org.apache.kafka.common.errors.RetriableException ? " retriable" : ""));
        }
      }
      case "convert" -> {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
          String answer;
          try {
            answer = convert(line);
          } catch (Throwable t) {
            Throwable cause = t.getCause() == null ? t : t.getCause();
            answer = "error: " + cause;
          }
          System.out.println(answer.replace('\n', ' '));
          System.out.flush();
        }
      }
      case "vectors" -> vectors(Long.parseLong(args[1]), Integer.parseInt(args[2]));
      default -> {
        System.err.println("usage: schemas [API] | errors | convert | vectors SEED COUNT");
        System.exit(2);
      }
    }
  }

  private static void schemas(String only) {
    for (ApiKeys key : ApiKeys.values()) {
      ApiMessageType t = key.messageType;
      if (only != null && !t.name.equalsIgnoreCase(only)) continue;
      System.out.println("# " + key.id + " " + t.name + " versions " + t.lowestSupportedVersion() + "-" + t.highestSupportedVersion(true)
          + (t.highestSupportedVersion(false) != t.highestSupportedVersion(true) ? " (stable to " + t.highestSupportedVersion(false) + ")" : ""));
      for (short v = t.lowestSupportedVersion(); v <= t.highestSupportedVersion(true); v++) {
        System.out.println("request v" + v + " header v" + t.requestHeaderVersion(v) + ": " + show(t.requestSchemas()[v]));
        System.out.println("response v" + v + " header v" + t.responseHeaderVersion(v) + ": " + show(t.responseSchemas()[v]));
      }
    }
  }

  private static String show(Type type) {
    if (type instanceof Schema schema) {
      StringBuilder out = new StringBuilder("{");
      for (BoundField f : schema.fields()) {
        if (out.length() > 1) out.append(", ");
        out.append(f.def.name).append(' ').append(show(f.def.type));
      }
      return out.append("}").toString();
    }
    if (type instanceof TaggedFields tagged) {
      StringBuilder out = new StringBuilder("tags{");
      fieldsOf(tagged).forEach((tag, field) -> {
        if (out.charAt(out.length() - 1) != '{') out.append(", ");
        out.append(tag).append(": ").append(field.name).append(' ').append(show(field.type));
      });
      return out.append("}").toString();
    }
    if (type.isArray()) {
      String nullable = type.isNullable() ? "nullable " : "";
      return (type instanceof CompactArrayOf ? "compact " : "") + nullable + "array of " + show(type.arrayElementType().get());
    }
    return type.toString().toLowerCase();
  }

  private static String hex(Message message, short version) {
    ObjectSerializationCache cache = new ObjectSerializationCache();
    ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, version));
    message.write(new ByteBufferAccessor(bytes), cache, version);
    return HexFormat.of().formatHex(bytes.array(), 0, bytes.position());
  }

  /** Kafka 3 keeps them to itself. */
  @SuppressWarnings("unchecked")
  private static Map<Integer, Field> fieldsOf(TaggedFields tagged) {
    try {
      java.lang.reflect.Field field = TaggedFields.class.getDeclaredField("fields");
      field.setAccessible(true);
      return (Map<Integer, Field>) field.get(tagged);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String convert(String line) throws Exception {
    String[] p = line.trim().split(" ", 5);
    ApiMessageType type = null;
    for (ApiKeys key : ApiKeys.values()) {
      if (key.messageType.name.equalsIgnoreCase(p[1]) || p[1].equals(Integer.toString(key.id))) type = key.messageType;
    }
    if (type == null) throw new IllegalArgumentException("unknown API " + p[1]);
    short version = Short.parseShort(p[2].replace("v", ""));
    boolean request = p[3].equals("request");
    String name = "org.apache.kafka.common.message." + type.name + (request ? "Request" : "Response") + "Data";
    Class<?> converter = Class.forName(name + "JsonConverter");
    if (p[0].equals("encode")) {
      Method read = converter.getMethod("read", JsonNode.class, short.class);
      ApiMessage message = (ApiMessage) read.invoke(null, MAPPER.readTree(p[4]), version);
      return hex(message, version);
    }
    ApiMessage message = request ? type.newRequest() : type.newResponse();
    ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(p[4]));
    message.read(new ByteBufferAccessor(bytes), version);
    if (bytes.hasRemaining()) throw new IllegalArgumentException(bytes.remaining() + " bytes left over");
    Method write = converter.getMethod("write", message.getClass(), short.class);
    return write.invoke(null, message, version).toString();
  }

  // Random messages. A message is filled by its schema, read by Kafka's class, and written again by it: what is answered is
  // what Kafka writes, not what the filling made.

  private static void vectors(long seed, int count) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] p = line.trim().split("[ -]");
      Class<?> type = Class.forName("org.apache.kafka.common.message." + p[0] + (p[0].startsWith("ConsumerProtocol") ? "" : "Data"));
      Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
      Method json = Class.forName(type.getName() + "JsonConverter").getMethod("write", type, short.class, boolean.class);
      for (short v = Short.parseShort(p[1]); v <= Short.parseShort(p[2]); v++) {
        for (int i = 0; i < count; i++) {
          // Each message has its own seed, so that a new version does not change the messages of the others.
          Filler filler = new Filler(new Random(seed + (p[0] + " " + v + " " + i).hashCode()), i);
          Struct struct = (Struct) filler.value(schemas[v]);
          ByteBuffer filled = ByteBuffer.allocate(struct.sizeOf());
          struct.writeTo(filled);
          filled.flip();
          Message message = (Message) type.getConstructor().newInstance();
          message.read(new ByteBufferAccessor(filled), v);
          if (filled.hasRemaining()) throw new IllegalStateException(p[0] + " v" + v + " does not read what its schema writes");
          System.out.println(p[0] + " " + v + " " + hex(message, v) + " " + json.invoke(null, message, v, false));
        }
      }
    }
  }

  /** Message 0 of a version has the smallest values, message 1 has something in every field, the others are random. */
  private static final class Filler {
    private static final String[] TEXTS = {"", "a", "rides", "ride-7", "\"quoted\" \\ \n\t", "straße", "駅", "🚲", "x".repeat(130)};
    private final Random random;
    private final boolean smallest;
    private final boolean all;

    Filler(Random random, int number) {
      this.random = random;
      this.smallest = number == 0;
      this.all = number == 1;
    }

    Object value(Type type) {
      if (type.isNullable() && !all && (smallest || random.nextInt(4) == 0)) return null;
      if (type instanceof Schema schema) return struct(schema);
      if (type instanceof TaggedFields tagged) return tags(tagged);
      if (type.isArray()) return array(type.arrayElementType().get());
      return switch (type.toString()) {
        case "BOOLEAN" -> !smallest && (all || random.nextBoolean());
        case "INT8" -> (byte) integer(8);
        case "INT16" -> (short) integer(16);
        case "UINT16" -> (int) (integer(16) & 0xffff);
        case "INT32" -> (int) integer(32);
        case "INT64" -> integer(64);
        // Quarters: their decimal form is the same everywhere.
        case "FLOAT64" -> random.nextInt(8000) / 4.0 - 1000;
        case "UUID" -> smallest ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
        case "STRING", "COMPACT_STRING", "NULLABLE_STRING", "COMPACT_NULLABLE_STRING" -> text();
        case "BYTES", "COMPACT_BYTES", "NULLABLE_BYTES", "COMPACT_NULLABLE_BYTES" -> ByteBuffer.wrap(bytes());
        case "RECORDS", "COMPACT_RECORDS", "NULLABLE_RECORDS", "COMPACT_NULLABLE_RECORDS" ->
            records(ByteBuffer.wrap(bytes()));
        default -> throw new IllegalArgumentException("no random value for the type " + type);
      };
    }

    private Struct struct(Schema schema) {
      Struct struct = new Struct(schema);
      for (BoundField field : schema.fields()) struct.set(field, value(field.def.type));
      return struct;
    }

    private TreeMap<Integer, Object> tags(TaggedFields tagged) {
      TreeMap<Integer, Object> chosen = new TreeMap<>();
      for (var entry : fieldsOf(tagged).entrySet()) {
        Field field = entry.getValue();
        if (all || (!smallest && random.nextBoolean())) {
          Object value = value(field.type);
          if (value != null) chosen.put(entry.getKey(), value);
        }
      }
      return chosen;
    }

    private static Object records(ByteBuffer bytes) {
      try {
        Class<?> type;
        try {
          type = Class.forName("org.apache.kafka.common.record.MemoryRecords"); // its place in Kafka 3
        } catch (ClassNotFoundException e) {
          type = Class.forName("org.apache.kafka.common.record.internal.MemoryRecords");
        }
        return type.getMethod("readableRecords", ByteBuffer.class).invoke(null, bytes);
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException(e);
      }
    }

    private Object[] array(Type element) {
      List<Object> values = new ArrayList<>();
      int size = smallest ? 0 : all ? 1 + random.nextInt(2) : random.nextInt(3);
      for (int i = 0; i < size; i++) values.add(value(element));
      return values.toArray();
    }

    private long integer(int bits) {
      if (smallest) return 0;
      long max = (1L << (bits - 1)) - 1;
      return switch (random.nextInt(6)) {
        case 0 -> max;
        case 1 -> -max - 1;
        case 2 -> -1;
        case 3 -> random.nextLong() >> (64 - bits);
        default -> 1 + random.nextInt(100);
      };
    }

    private String text() {
      return smallest ? "" : all ? TEXTS[1 + random.nextInt(TEXTS.length - 2)] : TEXTS[random.nextInt(TEXTS.length)];
    }

    private byte[] bytes() {
      byte[] out = new byte[smallest ? 0 : all ? 5 : random.nextInt(12)];
      random.nextBytes(out);
      return out;
    }
  }
}
