// The Java client, driven by clients.py: a request a line on standard input, as JSON, and a reply a line on standard output. Bytes are Base64.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int WAIT_MS = 30_000;
    private static PrintStream out;

    interface Call {
        Object run() throws ExecutionException, InterruptedException;
    }

    public static void main(String[] arguments) throws Exception {
        out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            ObjectNode reply = JSON.createObjectNode();
            try {
                JsonNode request = JSON.readTree(line);
                switch (request.get("op").asText()) {
                    case "produce" -> produce(request, reply);
                    case "consume" -> consume(request, reply);
                    case "group" -> consume_in_group(request, reply);
                    default -> administer(request, reply);
                }
            } catch (Exception e) {
                reply.put("failed", e.toString());
            }
            out.println(JSON.writeValueAsString(reply));
        }
    }

    private static byte[] bytes(JsonNode node) throws java.io.IOException {
        return node == null || node.isNull() ? null : node.binaryValue();
    }

    private static Map<String, Object> properties(JsonNode request) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", request.get("bootstrap").asText());
        request.path("config").fields().forEachRemaining(e -> all.put(e.getKey(), e.getValue().asText()));
        return all;
    }

    private static void put_error(ObjectNode reply, Throwable error) {
        reply.put("error", Errors.forException(error).code());
        reply.put("text", String.valueOf(error.getMessage()));
    }

    private static void produce(JsonNode request, ObjectNode reply) throws Exception {
        Map<String, Object> properties = properties(request);
        properties.putIfAbsent("delivery.timeout.ms", 4 * WAIT_MS);
        properties.putIfAbsent("reconnect.backoff.max.ms", 100);
        AtomicInteger acknowledged = new AtomicInteger();
        int every = request.path("every").asInt(0);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (JsonNode r : request.get("records")) {
                List<Header> headers = new ArrayList<>();
                for (JsonNode h : r.get("headers")) headers.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1))));
                Integer partition = r.get("partition").isNull() ? null : r.get("partition").asInt();
                Long time = r.get("timestamp").isNull() ? null : r.get("timestamp").asLong();
                var record = new ProducerRecord<>(r.get("topic").asText(), partition, time, bytes(r.get("key")), bytes(r.get("value")), headers);
                sent.add(producer.send(record, (metadata, error) -> {
                    int n = acknowledged.incrementAndGet();
                    if (every > 0 && n % every == 0) out.println("{\"progress\":" + n + "}");
                }));
            }
            producer.flush();
        }
        ArrayNode results = reply.putArray("results");
        for (Future<RecordMetadata> future : sent) {
            ObjectNode result = results.addObject();
            try {
                result.put("partition", future.get().partition()).put("offset", future.get().offset());
            } catch (ExecutionException e) {
                put_error(result, e.getCause());
            }
        }
    }

    private static void consume(JsonNode request, ObjectNode reply) {
        Map<String, Object> properties = properties(request);
        properties.putIfAbsent("enable.auto.commit", false);
        properties.putIfAbsent("fetch.max.wait.ms", 100);
        TopicPartition partition = new TopicPartition(request.get("topic").asText(), request.get("partition").asInt());
        int count = request.get("count").asInt();
        ArrayNode records = reply.putArray("records");
        long end = System.nanoTime() + WAIT_MS * 1_000_000L;
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, request.get("offset").asLong());
            while (records.size() < count && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(1000))) {
                    ObjectNode record = records.addObject();
                    record.put("offset", r.offset()).put("key", r.key()).put("value", r.value()).put("timestamp", r.timestamp());
                    ArrayNode headers = record.putArray("headers");
                    for (Header h : r.headers()) headers.addArray().add(h.key()).add(h.value());
                }
            }
        }
    }

    // A member of a group until it has so many records; it commits what it got, and leaves.
    private static void consume_in_group(JsonNode request, ObjectNode reply) {
        Map<String, Object> properties = properties(request);
        properties.putAll(Map.of("group.id", request.get("group").asText(), "enable.auto.commit", false, "auto.offset.reset", "earliest", "fetch.max.wait.ms", 100,
            "max.poll.records", 1));
        int count = request.get("count").asInt();
        ArrayNode records = reply.putArray("records");
        long end = System.nanoTime() + WAIT_MS * 1_000_000L;
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(request.get("topic").asText()));
            while (records.size() < count && System.nanoTime() < end) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(1000))) {
                    records.addObject().put("partition", r.partition()).put("offset", r.offset()).put("value", r.value());
                }
            }
            consumer.commitSync();
        }
    }

    private static void administer(JsonNode request, ObjectNode reply) throws InterruptedException {
        String topic = request.get("topic").asText();
        try (Admin admin = Admin.create(properties(request))) {
            TopicPartition partition = new TopicPartition(topic, request.path("partition").asInt(0));
            Call call = switch (request.get("op").asText()) {
                case "create" -> () -> {
                    Map<String, String> settings = new HashMap<>();
                    request.path("settings").fields().forEachRemaining(e -> settings.put(e.getKey(), e.getValue().asText()));
                    Optional<Integer> partitions = Optional.ofNullable(request.get("partitions").isNull() ? null : request.get("partitions").asInt());
                    return admin.createTopics(List.of(new NewTopic(topic, partitions, Optional.empty()).configs(settings))).all().get();
                };
                case "delete" -> () -> admin.deleteTopics(List.of(topic)).all().get();
                case "delete_records" -> () -> {
                    var to = RecordsToDelete.beforeOffset(request.get("offset").asLong());
                    var done = admin.deleteRecords(Map.of(partition, to)).lowWatermarks().get(partition).get();
                    return reply.put("offset", done.lowWatermark());
                };
                case "partitions" -> () -> reply.put("count", admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
                case "list_offsets" -> () -> {
                    long time = request.get("time").asLong();
                    OffsetSpec spec = time == -1 ? OffsetSpec.latest() : time == -2 ? OffsetSpec.earliest() : time == -3 ? OffsetSpec.maxTimestamp() : OffsetSpec.forTimestamp(time);
                    var found = admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
                    return reply.put("offset", found.offset()).put("timestamp", found.timestamp());
                };
                default -> throw new IllegalArgumentException("no such operation: " + request.get("op"));
            };
            try {
                call.run();
                reply.put("error", 0);
            } catch (ExecutionException e) {
                put_error(reply, e.getCause());
            }
        }
    }
}
