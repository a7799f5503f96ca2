import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

/**
 * Record batches made by Apache Kafka's own classes (4.3.1), for batch_test.cc.
 *
 *   java -cp "$KAFKA_LIBS/*" GoldenBatches.java write DIR     writes DIR/*.batch, the files beside this one
 *   java -cp "$KAFKA_LIBS/*" GoldenBatches.java show FILE...  prints what Kafka reads in a batch, CRC checked
 */
public class GoldenBatches {
  static final long T = 1_700_000_000_000L;

  static byte[] text(String s) { return s == null ? null : s.getBytes(StandardCharsets.UTF_8); }

  static byte[] pattern(int size) {
    byte[] out = new byte[size];
    for (int i = 0; i < size; i++) out[i] = (byte) (i * 7 % 251);
    return out;
  }

  static MemoryRecordsBuilder builder(CompressionType codec, TimestampType type, long appendTime, long producer, short epoch,
                                      int sequence, boolean transactional) {
    return MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2, Compression.of(codec).build(), type, 1000L,
                                 appendTime, producer, epoch, sequence, transactional, false, 7);
  }

  static void save(Path dir, String name, ByteBuffer bytes) throws Exception {
    byte[] out = new byte[bytes.remaining()];
    bytes.duplicate().get(out);
    Files.write(dir.resolve(name + ".batch"), out);
  }

  static void write(Path dir) throws Exception {
    for (CompressionType codec : CompressionType.values()) {
      MemoryRecordsBuilder b = builder(codec, TimestampType.CREATE_TIME, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_PRODUCER_ID,
                                       RecordBatch.NO_PRODUCER_EPOCH, RecordBatch.NO_SEQUENCE, false);
      b.append(T, text("ride-1"), text("started"), new Header[] {
          new RecordHeader("ce_type", text("rides.RideStarted")), new RecordHeader("ce_id", text("1")),
          new RecordHeader("empty", text("")), new RecordHeader("null", (byte[]) null)});
      b.append(T - 1000, null, text("no key"));
      b.append(T + 500, text("ride-1"), null);
      b.append(T + 500, (byte[]) null, (byte[]) null);
      b.append(T + 501, text(""), text(""), new Header[] {new RecordHeader("", text("x"))});
      b.append(T + 502, pattern(300), pattern(5000));
      b.append(T + (1L << 33), text("ride-2"), text("late"));
      save(dir, "mixed-" + codec.name, b.build().buffer());
    }
    MemoryRecordsBuilder b = builder(CompressionType.NONE, TimestampType.LOG_APPEND_TIME, T + 9999, 42L, (short) 3, 17, true);
    for (long offset : new long[] {1000, 1003, 1004, 1200}) {
      b.appendWithOffset(offset, new SimpleRecord(T + offset, text("k"), text("v" + offset)));
    }
    save(dir, "gaps", b.build().buffer());
    save(dir, "control", MemoryRecords.withEndTransactionMarker(1000L, T, 7, 42L, (short) 3,
        new EndTransactionMarker(ControlRecordType.COMMIT, 5)).buffer());
    ByteBuffer empty = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
    DefaultRecordBatch.writeEmptyHeader(empty, RecordBatch.MAGIC_VALUE_V2, 42L, (short) 3, 17, 1000L, 1004L, 7,
                                        TimestampType.LOG_APPEND_TIME, T, false, false);
    empty.flip();
    save(dir, "empty", empty);
  }

  static String hex(byte[] bytes) { return bytes == null ? "null" : "'" + HexFormat.of().formatHex(bytes) + "'"; }

  static byte[] bytes(ByteBuffer b) {
    if (b == null) return null;
    byte[] out = new byte[b.remaining()];
    b.duplicate().get(out);
    return out;
  }

  static void show(Path file) throws Exception {
    for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file))).batches()) {
      batch.ensureValid();
      System.out.printf("batch %d..%d %s %s max %d producer %d/%d sequence %d epoch %d count %s%s%s%n", batch.baseOffset(), batch.lastOffset(),
          batch.compressionType(), batch.timestampType(), batch.maxTimestamp(), batch.producerId(), batch.producerEpoch(),
          batch.baseSequence(), batch.partitionLeaderEpoch(), batch.countOrNull(), batch.isTransactional() ? " transactional" : "",
          batch.isControlBatch() ? " control" : "");
      for (org.apache.kafka.common.record.internal.Record record : batch) {
        System.out.printf("  %d at %d %s %s", record.offset(), record.timestamp(), hex(bytes(record.key())), hex(bytes(record.value())));
        for (Header header : record.headers()) System.out.printf(" %s=%s", header.key(), hex(header.value()));
        System.out.println();
      }
    }
  }

  public static void main(String[] args) throws Exception {
    if (args.length == 2 && args[0].equals("write")) {
      write(Path.of(args[1]));
    } else if (args.length >= 2 && args[0].equals("show")) {
      for (int i = 1; i < args.length; i++) show(Path.of(args[i]));
    } else {
      System.err.println("usage: write DIR | show FILE...");
      System.exit(2);
    }
  }
}
