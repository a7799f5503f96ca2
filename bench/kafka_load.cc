// bench/kafka_load MODE [NAME=VALUE...]: a load for anything that speaks Kafka's protocol, for Baton's HTTP and for UmaDB; prints one JSON object. bench/kafka.py calls it.
//
//   produce    bootstrap= topic= records= warmup= bytes= linger= acks= keys= event=1 run= batch_bytes= batch_records=
//              librdkafka, as fast as it can
//   consume    bootstrap= topic= records= partitions=                                librdkafka, from the beginning
//   latency    bootstrap= topic= rate= seconds= bytes= linger= acks=                 open loop: from the time a record was due to its consumer
//   replay     port= topic= records= bytes= batch= in_flight= to=kafka|sink          the same batch again and again, on one raw connection
//   first_ack  port= topic= event=1 [-- COMMAND...]                                  from execve to the first acknowledged record, in ms
//   appends    port= to=baton|umadb clients= connections= seconds= bytes= context= run=
//              conditional appends, each client waiting for its answer, on raw connections
#include "kafka_load.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace baton::bench {

void fail(const std::string& what) {
  std::fprintf(stderr, "kafka_load: %s\n", what.c_str());
  std::exit(2);
}

Arguments::Arguments(int count, char** values) {
  for (int i = 0; i < count; ++i) {
    const std::string_view pair = values[i];
    if (pair == "--") {
      command.assign(values + i + 1, values + count);
      break;
    }
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) fail("not NAME=VALUE: " + std::string(pair));
    values_[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) {
  used_[name] = true;
  const auto found = values_.find(name);
  return found == values_.end() ? otherwise : found->second;
}

std::int64_t Arguments::number(const std::string& name, std::int64_t otherwise) {
  const auto value = text(name, "");
  return value.empty() ? otherwise : std::strtoll(value.c_str(), nullptr, 10);
}

void Arguments::check_all_used() const {
  for (const auto& [name, value] : values_) {
    if (!used_.contains(name)) fail("this mode has no argument '" + name + "'");
  }
}

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

double process_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void sleep_until(std::int64_t due_ns) {
  const timespec due{due_ns / 1'000'000'000, due_ns % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr) == EINTR) continue;
}

std::string percentiles_json(std::vector<std::int64_t> nanoseconds) {
  std::sort(nanoseconds.begin(), nanoseconds.end());
  const auto at = [&](double part) {
    if (nanoseconds.empty()) return 0.0;
    const auto place = static_cast<std::size_t>(part * static_cast<double>(nanoseconds.size()));
    return static_cast<double>(nanoseconds[std::min(place, nanoseconds.size() - 1)]) / 1e6;
  };
  char out[160];
  std::snprintf(out, sizeof out, "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f", at(0.5), at(0.99),
                at(0.999), at(1));
  return out;
}

RecordShape record_shape(Arguments& arguments) {
  RecordShape out;
  out.bytes = static_cast<std::size_t>(arguments.number("bytes", 100));
  out.keys = arguments.number("keys", 0);
  out.event = arguments.number("event", 0) != 0;
  out.run = arguments.text("run", "0");
  if (out.event && out.keys == 0) out.keys = 1'000'000;
  return out;
}

std::string record_value(std::size_t bytes) {
  static constexpr std::string_view kBegin = R"({"bike":473,"station":58,"note":")";
  static constexpr std::string_view kEnd = R"("})";
  std::string out(kBegin);
  for (std::size_t i = 0; out.size() + kEnd.size() < bytes; ++i) out += static_cast<char>('a' + i * 7 % 26);
  return (out += kEnd).substr(0, std::max(bytes, std::size_t{8}));
}

std::string record_key(const RecordShape& shape, std::int64_t n) {
  // Keys in an order that is not theirs: neighbours in a batch have different ones, as those of a real load.
  return "stream-" + std::to_string(n * 7'919 % shape.keys);
}

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  char error[512];
  if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) != RD_KAFKA_CONF_OK) fail(error);
}

rd_kafka_conf_t* client_conf(Arguments& arguments) {
  auto* conf = rd_kafka_conf_new();
  set(conf, "bootstrap.servers", arguments.text("bootstrap", "127.0.0.1:9092"));
  set(conf, "linger.ms", arguments.text("linger", "5"));
  set(conf, "acks", arguments.text("acks", "all"));
  set(conf, "enable.idempotence", "false");
  set(conf, "broker.address.family", "v4");
  set(conf, "log_level", "3");  // not that a consumer has no use for linger
  set(conf, "socket.nagle.disable", "true");
  set(conf, "partitioner", "murmur2_random");
  return conf;
}

rd_kafka_t* make_client(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
  char error[512];
  auto* out = rd_kafka_new(type, conf, error, sizeof error);
  if (out == nullptr) fail(error);
  return out;
}

}  // namespace baton::bench

int main(int count, char** values) {
  using baton::bench::Arguments;
  const std::map<std::string_view, void (*)(Arguments&)> modes = {
      {"produce", &baton::bench::run_produce},     {"consume", &baton::bench::run_consume},
      {"latency", &baton::bench::run_latency},     {"replay", &baton::bench::run_replay},
      {"first_ack", &baton::bench::run_first_ack}, {"appends", &baton::bench::run_appends},
  };
  const auto mode = count < 2 ? modes.end() : modes.find(values[1]);
  if (mode == modes.end()) baton::bench::fail("say produce, consume, latency, replay, first_ack or appends, and NAME=VALUE");
  Arguments arguments(count - 2, values + 2);
  mode->second(arguments);
  return 0;
}
