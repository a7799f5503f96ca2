import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BinaryNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.message.ResponseHeaderData;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.DefaultRecordBatch;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.utils.Crc32C;

/**
 * Raw requests to one broker, encoded and decoded by Apache Kafka's own message classes: Parity PORT.
 *
 * <p>Reads a JSON object a line, answers each with one:
 *
 * <pre>
 *   {"op": "apis"}                                         versions of each API that these classes know, and the names of errors
 *   {"op": "send", "connection", "api", "version", "body"} body: fields that are not given have their default. A field of bytes may be
 *                                                          a message, {"message", "version", "body"}; records are batches, see batch()
 *   {"op": "raw", "connection", "hex", "length"}           a frame as it is; with a length that need not be its own
 *   {"op": "receive", "connection"}                        the reply to the oldest request without one: {"body"}, {"closed": true},
 *                                                          {"silent": true} or {"undecoded": why}
 *   {"op": "close", "connection"}                          closes it; without "connection" all of them
 * </pre>
 */
public final class Parity {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String PACKAGE = "org.apache.kafka.common.message.";
  private static final int SILENT_MS = 30_000;
  private static final int SHOWN_MAX = 60; // characters of a value; of a longer one the size

  private final int port;
  private final Map<String, Connection> connections = new HashMap<>();
  private int correlation = 0;

  private Parity(int port) {
    this.port = port;
  }

  public static void main(String[] args) throws Exception {
    Parity parity = new Parity(Integer.parseInt(args[0]));
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer;
      try {
        answer = parity.run(MAPPER.readTree(line));
      } catch (InvocationTargetException e) {
        answer = MAPPER.createObjectNode().put("failed", String.valueOf(e.getCause()));
      } catch (Exception e) {
        answer = MAPPER.createObjectNode().put("failed", String.valueOf(e));
      }
      out.println(MAPPER.writeValueAsString(answer));
      out.flush();
    }
  }

  private ObjectNode run(JsonNode step) throws Exception {
    switch (step.get("op").asText()) {
      case "apis" -> {
        return apis();
      }
      case "send" -> send(step);
      case "raw" -> {
        byte[] frame = HexFormat.of().parseHex(step.get("hex").asText());
        Api reply = step.hasNonNull("api") ? new Api(step.get("api").asText(), (short) step.get("version").asInt()) : null;
        connection(step).write(frame, step.hasNonNull("length") ? step.get("length").asInt() : frame.length, reply);
      }
      case "receive" -> {
        return connection(step).receive();
      }
      case "close" -> {
        for (String name : step.hasNonNull("connection") ? new String[] {step.get("connection").asText()} : connections.keySet().toArray(new String[0])) {
          Connection old = connections.remove(name);
          if (old != null) old.socket.close();
        }
      }
      default -> throw new IllegalArgumentException("no op " + step.get("op"));
    }
    return MAPPER.createObjectNode();
  }

  private static ObjectNode apis() {
    ObjectNode out = MAPPER.createObjectNode();
    ObjectNode apis = out.putObject("apis");
    for (ApiMessageType type : ApiMessageType.values()) {
      apis.putObject(type.name).put("key", type.apiKey()).put("first", type.lowestSupportedVersion()).put("last", type.highestSupportedVersion(false));
    }
    ObjectNode errors = out.putObject("errors");
    for (Errors error : Errors.values()) errors.put(Integer.toString(error.code()), error.name());
    return out;
  }

  private Connection connection(JsonNode step) throws IOException {
    String name = step.get("connection").asText();
    if (!connections.containsKey(name)) connections.put(name, new Connection());
    return connections.get(name);
  }

  private void send(JsonNode step) throws Exception {
    Api api = new Api(step.get("api").asText(), (short) step.get("version").asInt());
    Class<?> type = Class.forName(PACKAGE + api.type.name + "RequestData");
    JsonNode body = filled(step.get("body"), type, api.version);
    ApiMessage message = (ApiMessage) converter(type).getMethod("read", JsonNode.class, short.class).invoke(null, body, api.version);
    RequestHeaderData header = new RequestHeaderData().setRequestApiKey(api.type.apiKey()).setRequestApiVersion(api.version)
        .setCorrelationId(++correlation).setClientId("parity");
    byte[] head = bytes(header, api.type.requestHeaderVersion(api.version));
    byte[] rest = bytes(message, api.version);
    ByteBuffer frame = ByteBuffer.allocate(head.length + rest.length).put(head).put(rest);
    boolean silent = api.type == ApiMessageType.PRODUCE && body.get("acks").asInt() == 0;
    connection(step).write(frame.array(), frame.capacity(), silent ? null : api);
  }

  private static byte[] bytes(Message message, short version) {
    ObjectSerializationCache cache = new ObjectSerializationCache();
    ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
    message.write(new ByteBufferAccessor(out), cache, version);
    return out.array();
  }

  private static Class<?> converter(Class<?> data) throws ClassNotFoundException {
    // XxxRequestData$Part has XxxRequestDataJsonConverter$PartJsonConverter.
    String[] names = data.getName().split("\\$");
    return Class.forName(names[0] + "JsonConverter" + (names.length > 1 ? "$" + names[1] + "JsonConverter" : ""));
  }

  /** What is given, over the defaults of the message. Fields that this version lacks are left out, so that one body serves all. */
  private static JsonNode filled(JsonNode given, Class<?> type, short version) throws Exception {
    ObjectNode out = MAPPER.createObjectNode();
    try {
      Object empty = type.getConstructor().newInstance();
      out = (ObjectNode) converter(type).getMethod("write", type, short.class).invoke(null, empty, version);
    } catch (InvocationTargetException e) {
      if (type.getName().indexOf('$') < 0) throw e; // a part that this version lacks
    }
    for (Map.Entry<String, JsonNode> entry : given.properties()) {
      Field field;
      try {
        field = type.getDeclaredField(entry.getKey());
      } catch (NoSuchFieldException e) {
        throw new IllegalArgumentException(type.getSimpleName() + " has no field " + entry.getKey());
      }
      // A tagged field that has its default is not in what was written.
      if (out.has(entry.getKey()) || isTagged(type, entry.getKey(), version)) out.set(entry.getKey(), value(entry.getValue(), field.getGenericType(), version));
    }
    return out;
  }

  @SuppressWarnings("unchecked")
  private static boolean isTagged(Class<?> type, String name, short version) throws ReflectiveOperationException {
    Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
    if (schema == null) return false;
    for (BoundField bound : schema.fields()) {
      if (bound.def.type instanceof TaggedFields tagged) {
        Field fields = TaggedFields.class.getDeclaredField("fields");
        fields.setAccessible(true); // Kafka keeps them to itself
        for (var one : ((Map<Integer, org.apache.kafka.common.protocol.types.Field>) fields.get(tagged)).values()) {
          if (one.name.replace("_", "").equalsIgnoreCase(name)) return true;
        }
      }
    }
    return false;
  }

  private static JsonNode value(JsonNode given, Type type, short version) throws Exception {
    if (given.isObject() && given.has("batches")) return new BinaryNode(batches(given.get("batches")));
    if (given.isObject() && given.has("message")) {
      Class<?> inner = Class.forName(PACKAGE + given.get("message").asText());
      short of = (short) given.get("version").asInt();
      Message message = (Message) converter(inner).getMethod("read", JsonNode.class, short.class).invoke(null, filled(given.get("body"), inner, of), of);
      byte[] body = bytes(message, of);
      return new BinaryNode(ByteBuffer.allocate(2 + body.length).putShort(of).put(body).array());
    }
    if (given.isObject() && type instanceof Class<?> part) return filled(given, part, version);
    Type element = null;
    if (type instanceof ParameterizedType list) element = list.getActualTypeArguments()[0];
    if (type instanceof Class<?> collection && collection.getGenericSuperclass() instanceof ParameterizedType parent) element = parent.getActualTypeArguments()[0];
    if (given.isArray() && element instanceof Class<?> part && Message.class.isAssignableFrom(part)) {
      ArrayNode out = MAPPER.createArrayNode();
      for (JsonNode one : given) out.add(filled(one, part, version));
      return out;
    }
    return given;
  }

  private static byte[] batches(JsonNode list) {
    ByteBuffer out = ByteBuffer.allocate(64 << 20);
    for (JsonNode one : list) out.put(batch(one));
    out.flip();
    byte[] exact = new byte[out.remaining()];
    out.get(exact);
    return exact;
  }

  /**
   * A batch as Kafka builds it: "values" or "records" {key, value, timestamp, headers: [[name, value]]}, "codec", "magic", "timestamp", "producerId",
   * "producerEpoch", "sequence", "transactional", "control", "createTime". A value {"size": N} is N bytes. Then what is wrong with it: "set" {field: number} before
   * its checksum is made, "crc" true for a wrong one, "append" (hexadecimal) behind it, "cut" bytes from its end, and "hex" instead of all that.
   */
  private static byte[] batch(JsonNode what) {
    if (what.has("hex")) return HexFormat.of().parseHex(what.get("hex").asText());
    byte magic = (byte) number(what, "magic", 2);
    long time = number(what, "timestamp", 0);
    Compression codec = Compression.of(CompressionType.forName(what.path("codec").asText("none"))).build();
    ByteBuffer space = ByteBuffer.allocate(1 << 16);
    MemoryRecordsBuilder builder = MemoryRecords.builder(space, magic, codec, TimestampType.CREATE_TIME, number(what, "baseOffset", 0), -1L,
        number(what, "producerId", -1), (short) number(what, "producerEpoch", -1), (int) number(what, "sequence", -1),
        what.path("transactional").asBoolean(), what.path("control").asBoolean(), (int) number(what, "leaderEpoch", -1));
    for (JsonNode value : what.path("values")) builder.append(time, null, data(value));
    for (JsonNode record : what.path("records")) {
      ArrayNode headers = record.withArrayProperty("headers");
      Header[] out = new Header[headers.size()];
      for (int i = 0; i < out.length; i++) out[i] = new RecordHeader(headers.get(i).get(0).asText(), data(headers.get(i).get(1)));
      builder.append(number(record, "timestamp", time), data(record.get("key")), data(record.get("value")), out);
    }
    ByteBuffer built = builder.build().buffer().duplicate();
    if (what.has("set")) {
      for (Map.Entry<String, JsonNode> entry : what.get("set").properties()) set(built, entry.getKey(), entry.getValue().asLong());
      if (magic == 2) built.putInt(17, (int) Crc32C.compute(built, 21, built.limit() - 21));
    }
    int crcAt = magic == 2 ? 17 : 12;
    if (what.path("crc").asBoolean()) built.putInt(crcAt, built.getInt(crcAt) ^ 1);
    byte[] more = HexFormat.of().parseHex(what.path("append").asText(""));
    ByteBuffer out = ByteBuffer.allocate(built.remaining() - (int) number(what, "cut", 0) + more.length);
    built.limit(built.limit() - (int) number(what, "cut", 0));
    return out.put(built).put(more).array();
  }

  private static void set(ByteBuffer batch, String field, long value) {
    switch (field) {
      case "baseOffset" -> batch.putLong(0, value);
      case "length" -> batch.putInt(8, (int) value);
      case "lengthMore" -> batch.putInt(8, batch.getInt(8) + (int) value);
      case "leaderEpoch" -> batch.putInt(12, (int) value);
      case "magic" -> batch.put(16, (byte) value);
      case "attributes" -> batch.putShort(21, (short) value);
      case "lastOffsetDelta" -> batch.putInt(23, (int) value);
      case "baseTimestamp" -> batch.putLong(27, value);
      case "maxTimestamp" -> batch.putLong(35, value);
      case "producerId" -> batch.putLong(43, value);
      case "producerEpoch" -> batch.putShort(51, (short) value);
      case "sequence" -> batch.putInt(53, (int) value);
      case "count" -> batch.putInt(57, (int) value);
      default -> batch.put(Integer.parseInt(field), (byte) value); // a byte by its place
    }
  }

  private static long number(JsonNode what, String field, long otherwise) {
    return what.hasNonNull(field) ? what.get(field).asLong() : otherwise;
  }

  private static byte[] data(JsonNode value) {
    if (value == null || value.isNull()) return null;
    if (value.isObject()) return "x".repeat(value.get("size").asInt()).getBytes(StandardCharsets.UTF_8);
    return value.asText().getBytes(StandardCharsets.UTF_8);
  }

  // Replies.

  private static final class Api {
    final ApiMessageType type;
    final short version;
    int correlation;

    Api(String name, short version) {
      ApiMessageType found = null;
      for (ApiMessageType one : ApiMessageType.values()) {
        if (one.name.equals(name)) found = one;
      }
      if (found == null) throw new IllegalArgumentException("no API " + name);
      this.type = found;
      this.version = version;
    }
  }

  private final class Connection {
    final Socket socket = new Socket("127.0.0.1", port);
    private final Deque<Api> waiting = new ArrayDeque<>();

    Connection() throws IOException {
      socket.setTcpNoDelay(true);
      socket.setSoTimeout(SILENT_MS);
    }

    void write(byte[] frame, int length, Api reply) throws IOException {
      try {
        OutputStream out = socket.getOutputStream();
        out.write(ByteBuffer.allocate(4 + frame.length).putInt(length).put(frame).array());
        out.flush();
      } catch (SocketException e) {
        // The peer has closed: what is received says so.
      }
      if (reply != null) {
        reply.correlation = frame.length >= 8 ? ByteBuffer.wrap(frame).getInt(4) : 0;
        waiting.add(reply);
      }
    }

    ObjectNode receive() {
      ObjectNode out = MAPPER.createObjectNode();
      Api api = waiting.poll();
      try {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] frame = new byte[in.readInt()];
        in.readFully(frame);
        if (api == null) return out.put("undecoded", frame.length + " bytes that nothing asked for");
        out.set("body", decode(api, ByteBuffer.wrap(frame)));
      } catch (SocketTimeoutException e) {
        out.put("silent", true);
      } catch (EOFException | SocketException e) {
        out.put("closed", true);
      } catch (Exception e) {
        out.put("undecoded", String.valueOf(e instanceof InvocationTargetException wrapped ? wrapped.getCause() : e));
      }
      return out;
    }
  }

  private static JsonNode decode(Api api, ByteBuffer frame) throws Exception {
    short version = api.version;
    // A broker that does not know the version of ApiVersions answers in version 0 (KIP-511).
    if (api.type == ApiMessageType.API_VERSIONS && frame.getShort(4) == Errors.UNSUPPORTED_VERSION.code()) version = 0;
    ResponseHeaderData header = new ResponseHeaderData(new ByteBufferAccessor(frame), api.type.responseHeaderVersion(version));
    if (header.correlationId() != api.correlation) throw new IllegalStateException("the correlation id of another request");
    ApiMessage message = api.type.newResponse();
    message.read(new ByteBufferAccessor(frame), version);
    if (frame.hasRemaining()) throw new IllegalStateException(frame.remaining() + " bytes behind the reply");
    JsonNode out = (JsonNode) converter(message.getClass()).getMethod("write", message.getClass(), short.class).invoke(null, message, version);
    if (message instanceof FetchResponseData fetch) show(fetch, out);
    return out;
  }

  private static void show(FetchResponseData fetch, JsonNode out) {
    for (int t = 0; t < fetch.responses().size(); t++) {
      var partitions = fetch.responses().get(t).partitions();
      for (int p = 0; p < partitions.size(); p++) {
        JsonNode to = out.get("responses").get(t).get("partitions").get(p);
        ((ObjectNode) to).set("records", show((MemoryRecords) partitions.get(p).records()));
      }
    }
  }

  private static JsonNode show(MemoryRecords records) {
    if (records == null) return MAPPER.nullNode();
    ArrayNode out = MAPPER.createArrayNode();
    int bytes = 0;
    for (MutableRecordBatch batch : records.batches()) {
      batch.ensureValid();
      bytes += batch.sizeInBytes();
      ObjectNode one = out.addObject();
      one.put("baseOffset", batch.baseOffset()).put("lastOffset", batch.lastOffset()).put("magic", batch.magic());
      one.put("codec", batch.compressionType().name).put("timestampType", batch.timestampType().name).put("maxTimestamp", batch.maxTimestamp());
      one.put("leaderEpoch", batch.partitionLeaderEpoch()).put("producerId", batch.producerId());
      one.put("producerEpoch", batch.producerEpoch()).put("baseSequence", batch.baseSequence()).put("bytes", batch.sizeInBytes());
      if (batch instanceof DefaultRecordBatch whole) one.put("baseTimestamp", whole.baseTimestamp());
      ArrayNode list = one.putArray("records");
      for (Record record : batch) {
        ObjectNode to = list.addObject().put("offset", record.offset()).put("timestamp", record.timestamp());
        to.put("key", text(record.key())).put("value", text(record.value()));
        ArrayNode headers = to.putArray("headers");
        for (Header header : record.headers()) headers.addArray().add(header.key()).add(header.value() == null ? null : new String(header.value(), StandardCharsets.UTF_8));
      }
    }
    if (bytes < records.sizeInBytes()) out.addObject().put("part of a batch", true);
    return out;
  }

  private static String text(ByteBuffer bytes) {
    if (bytes == null) return null;
    return bytes.remaining() > SHOWN_MAX ? bytes.remaining() + " bytes" : StandardCharsets.UTF_8.decode(bytes.duplicate()).toString();
  }
}
