// A client of Kafka's protocol: librdkafka behind Result<T>. Baton's own servers and any Kafka cluster are the same to it.
#pragma once

#include <librdkafka/rdkafka.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <baton/result.h>
#include <CLI/CLI.hpp>

#include "cli/kafka_offsets.h"
#include "os/env.h"

namespace baton::cli {

// The options that all commands of this kind have.
struct KafkaOptions {
  std::string bootstrap = "127.0.0.1:9092";
  std::vector<std::string> client_config;  // NAME=VALUE of librdkafka, or @FILE with one a line
  double timeout_s = 30;

  void add_to(CLI::App& app);  // takes BATON_BOOTSTRAP for the default
  [[nodiscard]] int timeout_ms() const { return static_cast<int>(timeout_s * 1000); }
};

// What librdkafka made, and the function that frees it.
template <auto Free>
struct RdFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using RdPtr = std::unique_ptr<T, RdFree<Free>>;
using RdQueue = RdPtr<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using RdEvent = RdPtr<rd_kafka_event_t, rd_kafka_event_destroy>;
using RdTopic = RdPtr<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using RdMessage = RdPtr<rd_kafka_message_t, rd_kafka_message_destroy>;
using RdError = RdPtr<rd_kafka_error_t, rd_kafka_error_destroy>;
using RdPartitions = RdPtr<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;

// "topic rides: UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition", with what the broker said instead of the library's text if it
// said something, and a code that the exit code follows.
[[nodiscard]] Error kafka_error(rd_kafka_resp_err_t error, const std::string& where, const char* said = nullptr);
[[nodiscard]] Status kafka_status(const rd_kafka_error_t* error, const std::string& where);  // null is none

struct PartitionInfo {
  std::int32_t id = 0, leader = -1;
  std::vector<std::int32_t> replicas, in_sync;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};
struct TopicInfo {
  std::string name;
  std::vector<PartitionInfo> partitions;  // by id
};

// One thread at a time. The library's threads call nothing of ours but the log.
class KafkaClient {
 public:
  enum class Kind { admin, producer, consumer };
  struct Hooks {  // called from poll() and what else waits
    std::function<void(const rd_kafka_message_t&)> delivered;
    std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> rebalanced;
  };
  using Settings = std::vector<std::pair<std::string, std::string>>;

  // `settings` are the command's own; --client-config has the last word. invalid_argument: a setting that the library does not know or take.
  // Reaches for no broker yet.
  [[nodiscard]] static Result<std::unique_ptr<KafkaClient>> open(os::Env& env, const KafkaOptions& options, Kind kind,
                                                                 const Settings& settings = {}, Hooks hooks = {});
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  [[nodiscard]] rd_kafka_t* get() { return handle_; }
  [[nodiscard]] int timeout_ms() const { return options_.timeout_ms(); }
  // Serves callbacks, which warn when no broker can be reached any more; once, until a command says that it got something.
  void poll(int timeout_ms);
  void works();
  // Leaves the library's client to the end of the process: with a commit that nobody answers, it would not be freed before that is.
  void abandon() { handle_ = nullptr; }
  [[nodiscard]] bool reachable() const { return !all_down_; }
  // What waiting does not heal: a broker that does not accept who we are, a client that has given up.
  [[nodiscard]] Status healthy() const;

  // All topics, or one; of a client that is no consumer. unavailable: no broker answers, which is said after a second when all of them
  // have refused. not_found: no such topic, and none is made.
  [[nodiscard]] Result<std::vector<TopicInfo>> topics();
  [[nodiscard]] Result<TopicInfo> topic(const std::string& name);
  // The offset of `when` for each partition: a time in milliseconds, or RD_KAFKA_OFFSET_BEGINNING or _END. Negative: nothing that late.
  [[nodiscard]] Result<std::map<std::int32_t, std::int64_t>> offsets_at(const std::string& topic,
                                                                        const std::vector<std::int32_t>& partitions,
                                                                        std::int64_t when);
  [[nodiscard]] Result<std::map<std::int32_t, OffsetSpan>> spans(const std::string& topic,
                                                                 const std::vector<std::int32_t>& partitions);
  // What `spec` means in each partition; warns of offsets that are not there.
  [[nodiscard]] Result<std::map<std::int32_t, std::int64_t>> resolve(const std::string& topic,
                                                                     const std::map<std::int32_t, OffsetSpan>& spans,
                                                                     const OffsetSpec& spec);
  // One call of the admin API: `start` hands it to the library, its answer comes back.
  [[nodiscard]] Result<RdEvent> admin(rd_kafka_admin_op_t operation, const std::string& where,
                                      const std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& start);

 private:
  KafkaClient(os::Env& env, KafkaOptions options, Hooks hooks)
      : env_(env), options_(std::move(options)), hooks_(std::move(hooks)) {}
  [[nodiscard]] Status configure(rd_kafka_conf_t* conf, Kind kind, const Settings& settings);
  void on_error(rd_kafka_resp_err_t error, const char* reason);
  [[nodiscard]] Error unreachable(std::string_view why) const;
  using Metadata = RdPtr<const rd_kafka_metadata_t, rd_kafka_metadata_destroy>;
  [[nodiscard]] Result<Metadata> metadata(rd_kafka_topic_t* topic);

  os::Env& env_;
  KafkaOptions options_;
  Hooks hooks_;
  rd_kafka_t* handle_ = nullptr;
  bool connected_ = false;  // some broker has answered; clients that produce and consume are made after one that has asked
  bool all_down_ = false;
  bool warned_ = false;
  std::string reason_;            // why the last connection failed
  std::optional<Error> refused_;  // what trying again does not help: authentication, TLS
};

}  // namespace baton::cli
