// The modes of kafka_load that librdkafka does: produce and consume as fast as it can, and the latency from end to end in an open loop.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "kafka_load.h"

namespace baton::bench {
namespace {

// What the answers said. One thread polls, so nothing of it is shared.
struct Answers {
  std::int64_t acknowledged = 0;
  std::int64_t refused = 0;
  std::string first_error;
};

void on_answer(rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* opaque) {
  auto& answers = *static_cast<Answers*>(opaque);
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++answers.acknowledged;
    return;
  }
  if (answers.refused++ == 0) answers.first_error = rd_kafka_err2str(message->err);
}

// Produce requests of this process: the mean batch follows from it. librdkafka's own statistics would tell, but cost a lock and a histogram
// for each record.
std::atomic<std::int64_t> produce_requests{0};

rd_kafka_resp_err_t on_request(rd_kafka_t* /*client*/, int /*socket*/, const char* /*broker*/, std::int32_t /*node*/, std::int16_t api,
                               std::int16_t /*version*/, std::int32_t /*number*/, std::size_t /*size*/, void* /*opaque*/) {
  constexpr std::int16_t kProduce = 0;
  if (api == kProduce) ++produce_requests;
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t on_new(rd_kafka_t* client, const rd_kafka_conf_t* /*conf*/, void* /*opaque*/, char* /*error*/, std::size_t /*length*/) {
  return rd_kafka_interceptor_add_on_request_sent(client, "count", &on_request, nullptr);
}

class Producer {
 public:
  Producer(Arguments& arguments, const RecordShape& shape)
      : shape_(shape), topic_(arguments.text("topic", "bench")), value_(record_value(shape.bytes)) {
    auto* conf = client_conf(arguments);
    set(conf, "queue.buffering.max.messages", arguments.text("queue", "100000"));  // librdkafka's defaults, all four
    set(conf, "queue.buffering.max.kbytes", "1048576");
    set(conf, "batch.size", arguments.text("batch_bytes", "1000000"));
    set(conf, "batch.num.messages", arguments.text("batch_records", "10000"));
    rd_kafka_conf_set_dr_msg_cb(conf, &on_answer);
    if (rd_kafka_conf_interceptor_add_on_new(conf, "count", &on_new, nullptr) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("no interceptor");
    rd_kafka_conf_set_opaque(conf, &answers_);
    client_ = make_client(RD_KAFKA_PRODUCER, conf);
    handle_ = rd_kafka_topic_new(client_, topic_.c_str(), nullptr);
  }
  ~Producer() {
    rd_kafka_topic_destroy(handle_);
    rd_kafka_destroy(client_);
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // `due_ns` stands at the start of the value, for who measures.
  void send(std::int64_t n, std::int64_t due_ns) {
    std::memcpy(value_.data(), &due_ns, sizeof due_ns);
    put(n);
  }
  void put(std::int64_t n) {
    while (!try_put(n)) rd_kafka_poll(client_, 5);
    if (++since_poll_ == 500) {
      since_poll_ = 0;
      rd_kafka_poll(client_, 0);
    }
  }
  // Records that differ in nothing, many in one call and without a copy: the client's own work for a record is what limits a fast server.
  void put_alike(std::int64_t count) {
    constexpr std::int64_t kAtOnce = 500;
    std::vector<rd_kafka_message_t> records(static_cast<std::size_t>(std::min(count, kAtOnce)));
    while (count > 0) {
      auto left = std::min(count, kAtOnce);
      count -= left;
      for (auto& record : records) {
        record = {};
        record.payload = value_.data();
        record.len = value_.size();
      }
      while (true) {
        left -= rd_kafka_produce_batch(handle_, 0, 0, records.data(), static_cast<int>(left));
        rd_kafka_poll(client_, left > 0 ? 5 : 0);
        if (left == 0) break;
        for (const auto& record : records) {
          if (record.err != RD_KAFKA_RESP_ERR_NO_ERROR && record.err != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(record.err));
        }
      }
    }
  }
  void poll() { rd_kafka_poll(client_, 0); }
  void flush() {
    if (rd_kafka_flush(client_, 300'000) != RD_KAFKA_RESP_ERR_NO_ERROR) fail("records are not acknowledged after 300 s");
    if (answers_.refused > 0) fail(std::to_string(answers_.refused) + " records refused: " + answers_.first_error);
  }

 private:
  bool try_put(std::int64_t n) {
    if (!shape_.event) {
      const auto key = shape_.keys == 0 ? std::string() : record_key(shape_, n);
      return rd_kafka_produce(handle_, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value_.data(), value_.size(),
                              shape_.keys == 0 ? nullptr : key.data(), key.size(), nullptr) == 0 ||
             !queue_full();
    }
    const auto key = record_key(shape_, n);
    const auto id = shape_.run + "-" + std::to_string(n);
    const auto tag = "bike:" + std::to_string(n % 10'000);
    auto* headers = rd_kafka_headers_new(3);
    rd_kafka_header_add(headers, "ce_type", 7, "RideEnded", 9);
    rd_kafka_header_add(headers, "ce_id", 5, id.data(), static_cast<ssize_t>(id.size()));
    rd_kafka_header_add(headers, "baton-tag", 9, tag.data(), static_cast<ssize_t>(tag.size()));
    const auto error =
        rd_kafka_producev(client_, RD_KAFKA_V_RKT(handle_), RD_KAFKA_V_PARTITION(RD_KAFKA_PARTITION_UA),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key.data(), key.size()),
                          RD_KAFKA_V_VALUE(value_.data(), value_.size()), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    rd_kafka_headers_destroy(headers);  // librdkafka takes them only with the record
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(error));
    return false;
  }
  static bool queue_full() {
    const auto error = rd_kafka_last_error();
    if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) fail(rd_kafka_err2str(error));
    return true;
  }

  RecordShape shape_;
  std::string topic_;
  std::string value_;
  Answers answers_;
  rd_kafka_t* client_ = nullptr;
  rd_kafka_topic_t* handle_ = nullptr;
  int since_poll_ = 0;
};

// Reads all partitions of a topic from one place, without a group.
class Consumer {
 public:
  Consumer(Arguments& arguments, std::int64_t from) {
    auto* conf = client_conf(arguments);
    set(conf, "group.id", "bench");
    set(conf, "enable.auto.commit", "false");
    set(conf, "auto.offset.reset", "earliest");
    // So many may wait in the client that it fetches on while the records before are counted.
    set(conf, "queued.min.messages", "1000000");
    client_ = make_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(client_);
    const auto topic = arguments.text("topic", "bench");
    const auto partitions = arguments.number("partitions", 1);
    auto* list = rd_kafka_topic_partition_list_new(static_cast<int>(partitions));
    for (std::int32_t p = 0; p < partitions; ++p) rd_kafka_topic_partition_list_add(list, topic.c_str(), p)->offset = from;
    const auto error = rd_kafka_assign(client_, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) fail(rd_kafka_err2str(error));
    queue_ = rd_kafka_queue_get_consumer(client_);
  }
  ~Consumer() {
    rd_kafka_queue_destroy(queue_);
    rd_kafka_consumer_close(client_);
    rd_kafka_destroy(client_);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  // Calls f(message) for what is there, and waits for the first as long as said.
  template <typename F>
  void take(int wait_ms, F f) {
    rd_kafka_message_t* messages[1'000];
    const auto count = rd_kafka_consume_batch_queue(queue_, wait_ms, messages, wait_ms > 10 ? 1'000 : 1);
    for (ssize_t i = 0; i < count; ++i) {
      if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) f(*messages[i]);
      rd_kafka_message_destroy(messages[i]);
    }
  }

 private:
  rd_kafka_t* client_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
};

void print_rate(std::int64_t records, std::int64_t bytes, std::int64_t begin_ns, double cpu_before) {
  const auto seconds = static_cast<double>(now_ns() - begin_ns) / 1e9;
  const auto batch = produce_requests == 0 ? 0 : records / produce_requests;
  std::printf(
      "{\"records\": %lld, \"bytes\": %lld, \"seconds\": %.4f, \"rate\": %.0f, \"client_cpu\": %.3f, \"batch\": %lld}\n",
      static_cast<long long>(records), static_cast<long long>(bytes), seconds, static_cast<double>(records) / seconds,
      (process_cpu_seconds() - cpu_before) / seconds, static_cast<long long>(batch));
}

// What the consumer's thread of the latency mode has seen. A due time of 0 is a probe.
struct Seen {
  std::atomic<bool> probe{false};
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> count{0};
  std::vector<std::int64_t> latencies;
};

void watch(Consumer& consumer, Seen& seen, std::int64_t measure_from_ns) {
  while (!seen.stop) {
    // One at a time: a wait for more would be counted.
    consumer.take(10, [&](const rd_kafka_message_t& message) {
      std::int64_t due = 0;
      if (message.len < sizeof due) return;
      std::memcpy(&due, message.payload, sizeof due);
      if (due == 0) {
        seen.probe = true;
        return;
      }
      ++seen.count;
      if (due >= measure_from_ns) seen.latencies.push_back(now_ns() - due);
    });
  }
}

}  // namespace

void run_produce(Arguments& arguments) {
  const auto shape = record_shape(arguments);
  const auto records = arguments.number("records", 1'000'000);
  const auto warmup = arguments.number("warmup", 0);  // sent and acknowledged before the clock starts: the client connects, and takes its memory
  Producer producer(arguments, shape);
  arguments.check_all_used();
  const auto send = [&](std::int64_t first, std::int64_t count) {
    if (!shape.event && shape.keys == 0) {
      producer.put_alike(count);
    } else {
      for (std::int64_t n = first; n < first + count; ++n) producer.put(n);
    }
    producer.flush();
  };
  if (warmup > 0) send(0, warmup);
  produce_requests = 0;
  const auto begin = now_ns();
  const auto cpu = process_cpu_seconds();
  send(warmup, records);
  print_rate(records, records * static_cast<std::int64_t>(shape.bytes), begin, cpu);
}

void run_consume(Arguments& arguments) {
  const auto records = arguments.number("records", 1'000'000);
  Consumer consumer(arguments, RD_KAFKA_OFFSET_BEGINNING);
  arguments.check_all_used();
  const auto begin = now_ns();
  const auto cpu = process_cpu_seconds();
  std::int64_t count = 0;
  std::int64_t bytes = 0;
  auto last = begin;
  while (count < records) {
    const auto before = count;
    consumer.take(100, [&](const rd_kafka_message_t& message) {
      ++count;
      bytes += static_cast<std::int64_t>(message.len);
    });
    if (count > before) last = now_ns();
    if (now_ns() - last > 60'000'000'000) fail("only " + std::to_string(count) + " records came");
  }
  print_rate(count, bytes, begin, cpu);
}

void run_latency(Arguments& arguments) {
  const auto shape = record_shape(arguments);
  const auto rate = arguments.number("rate", 10'000);
  const auto seconds = arguments.number("seconds", 20);
  const auto before_s = arguments.number("before", 3);  // sent, and not measured
  Consumer consumer(arguments, RD_KAFKA_OFFSET_END);
  Producer producer(arguments, shape);
  arguments.check_all_used();
  Seen seen;
  seen.latencies.reserve(static_cast<std::size_t>(rate * seconds));
  // The consumer is there when it has seen a probe; what came before it is of no interest.
  const auto give_up = now_ns() + 30'000'000'000;
  while (!seen.probe) {
    if (now_ns() > give_up) fail("the consumer sees nothing of what is produced");
    producer.send(0, 0);
    producer.poll();
    consumer.take(10, [&](const rd_kafka_message_t& /*message*/) { seen.probe = true; });
  }
  producer.flush();
  const auto begin = now_ns() + 50'000'000;
  std::thread reader([&] { watch(consumer, seen, begin + before_s * 1'000'000'000); });
  const auto total = rate * (seconds + before_s);
  std::int64_t sent = 0;
  for (std::int64_t tick = 0; sent < total; ++tick) {
    // A record each 1/rate: what is due by now is sent at once, whether the server has answered or not.
    sleep_until(begin + tick * 200'000);
    const auto due_count = std::min(total, (now_ns() - begin) * rate / 1'000'000'000 + 1);
    for (; sent < due_count; ++sent) producer.send(sent, begin + sent * 1'000'000'000 / rate);
    producer.poll();
  }
  producer.flush();
  for (const auto end = now_ns() + 10'000'000'000; seen.count < total && now_ns() < end;) usleep(1'000);
  seen.stop = true;
  reader.join();
  std::printf("{\"records\": %lld, \"lost\": %lld, %s}\n", static_cast<long long>(total),
              static_cast<long long>(total - seen.count), percentiles_json(std::move(seen.latencies)).c_str());
}

}  // namespace baton::bench
