// What the modes of bench/kafka_load share: the arguments, clocks, percentiles, the records that all of them send, and librdkafka's handles.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

namespace baton::bench {

// `NAME=VALUE` arguments. One that no mode asked for ends the program: a typo would measure something else.
class Arguments {
 public:
  Arguments(int count, char** values);
  [[nodiscard]] std::string text(const std::string& name, const std::string& otherwise);
  [[nodiscard]] std::int64_t number(const std::string& name, std::int64_t otherwise);
  void check_all_used() const;
  // What stands behind `--`.
  std::vector<std::string> command;

 private:
  std::map<std::string, std::string> values_;
  std::map<std::string, bool> used_;
};

[[noreturn]] void fail(const std::string& what);

[[nodiscard]] std::int64_t now_ns();
[[nodiscard]] double process_cpu_seconds();
void sleep_until(std::int64_t due_ns);

// `"p50_ms": 1.2, "p99_ms": ..., "p999_ms": ..., "max_ms": ...`, without braces.
[[nodiscard]] std::string percentiles_json(std::vector<std::int64_t> nanoseconds);

// The records: of a plain topic a value alone or with a key, of an event topic with the key that names the stream and the headers of an event.
struct RecordShape {
  std::size_t bytes = 100;  // of the value
  std::int64_t keys = 0;    // how many different ones; 0: no key
  bool event = false;       // ce_type, ce_id (its own for each record) and one baton-tag
  std::string run;          // makes the ids of one run differ from those of another
};
[[nodiscard]] RecordShape record_shape(Arguments& arguments);
[[nodiscard]] std::string record_value(std::size_t bytes);
[[nodiscard]] std::string record_key(const RecordShape& shape, std::int64_t n);

// Takes `bootstrap`, `linger`, `acks` and what is set for every client; the caller adds its own.
[[nodiscard]] rd_kafka_conf_t* client_conf(Arguments& arguments);
void set(rd_kafka_conf_t* conf, const char* name, const std::string& value);
[[nodiscard]] rd_kafka_t* make_client(rd_kafka_type_t type, rd_kafka_conf_t* conf);

void run_produce(Arguments& arguments);
void run_consume(Arguments& arguments);
void run_latency(Arguments& arguments);
void run_replay(Arguments& arguments);
void run_first_ack(Arguments& arguments);
void run_appends(Arguments& arguments);

}  // namespace baton::bench
