#include "cli/kafka_client.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/try.h"
#include "cli/kafka_record.h"
#include "cli/session.h"
#include "os/file.h"
#include "os/terminal.h"

namespace baton::cli {
namespace {

constexpr std::size_t kErrorText = 512;
constexpr std::size_t kConfigFileBytesMax = 1u << 20;
// A name has several addresses (localhost: ::1, then 127.0.0.1), of which the library tries one at a time.
constexpr std::int64_t kRefusedNs = 1'000'000'000;
constexpr int kRetryMs = 100;

Code code_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND: return Code::not_found;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS: return Code::already_exists;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return Code::too_large;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return Code::invalid_argument;
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT: return Code::timed_out;
    default: return Code::unavailable;
  }
}

// One a line; what begins with '#' is a comment, as in the files of other clients.
Status read_config(os::Env& env, const std::string& path, std::vector<std::pair<std::string, std::string>>& out) {
  auto bytes = os::read_file(env.fs(), path, kConfigFileBytesMax);
  if (!bytes) return Error{Code::invalid_argument, "--client-config @" + path + ": " + bytes.error().detail};
  std::string_view text = base::as_text(*bytes);
  while (!text.empty()) {
    auto line = std::string(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    while (line.ends_with('\r') || line.ends_with(' ')) line.pop_back();
    if (line.empty() || line.starts_with('#')) continue;
    BATON_TRY_ASSIGN(auto pair, parse_pair(line, path + ": a line"));
    out.push_back(std::move(pair));
  }
  return {};
}

Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char text[kErrorText] = "";
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) return {};
  return Error{Code::invalid_argument,
               std::string(text) + "; the names are librdkafka's (--client-config), with their values in its CONFIGURATION.md"};
}

std::string value_of(const rd_kafka_conf_t* conf, const char* name) {
  char text[kErrorText] = "";
  std::size_t size = sizeof text;
  return rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK ? text : "";
}

void quiet(const rd_kafka_t* /*handle*/, int /*level*/, const char* /*facility*/, const char* /*text*/) {}

}  // namespace

void KafkaOptions::add_to(CLI::App& app) {
  if (const auto given = os::environment_variable("BATON_BOOTSTRAP"); given && !given->empty()) bootstrap = *given;
  app.add_option("--bootstrap", bootstrap, "HOST:PORT of a broker, or several with commas (or BATON_BOOTSTRAP)")
      ->capture_default_str();
  app.add_option("--client-config", client_config,
                 "NAME=VALUE: any setting of librdkafka (TLS, SASL, ...), or @FILE with one a line; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--timeout", timeout_s, "Seconds to wait for an answer")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
}

Error kafka_error(rd_kafka_resp_err_t error, const std::string& where, const char* said) {
  const auto text = said != nullptr && *said != '\0' ? said : rd_kafka_err2str(error);
  return {code_of(error), fmt::format("{}: {}: {}", where, rd_kafka_err2name(error), text)};
}

Status kafka_status(const rd_kafka_error_t* error, const std::string& where) {
  if (error == nullptr || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return kafka_error(rd_kafka_error_code(error), where, rd_kafka_error_string(error));
}

Result<std::unique_ptr<KafkaClient>> KafkaClient::open(os::Env& env, const KafkaOptions& options, Kind kind,
                                                       const Settings& settings, Hooks hooks) {
  std::unique_ptr<KafkaClient> client(new KafkaClient(env, options, std::move(hooks)));
  RdPtr<rd_kafka_conf_t, rd_kafka_conf_destroy> conf(rd_kafka_conf_new());
  BATON_TRY(client->configure(conf.get(), kind, settings));
  char text[kErrorText] = "";
  client->handle_ = rd_kafka_new(kind == Kind::producer ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf.get(), text, sizeof text);
  if (client->handle_ == nullptr) return Error{Code::invalid_argument, "the Kafka client does not start: " + std::string(text)};
  (void)conf.release();  // the handle has taken it
  if (kind == Kind::consumer) rd_kafka_poll_set_consumer(client->handle_);
  client->connected_ = kind != Kind::admin;
  return client;
}

KafkaClient::~KafkaClient() {
  if (handle_ == nullptr) return;
  // A group is left by whoever joined it; without a broker that would not end.
  rd_kafka_destroy_flags(handle_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

Status KafkaClient::configure(rd_kafka_conf_t* conf, Kind kind, const Settings& settings) {
  BATON_TRY(set(conf, "bootstrap.servers", options_.bootstrap));
  BATON_TRY(set(conf, "client.id", "baton"));
  BATON_TRY(set(conf, "reconnect.backoff.max.ms", "1000"));
  for (const auto& [name, value] : settings) BATON_TRY(set(conf, name, value));
  Settings given;
  for (const auto& item : options_.client_config) {
    if (item.starts_with('@')) {
      BATON_TRY(read_config(env_, item.substr(1), given));
    } else {
      BATON_TRY_ASSIGN(auto pair, parse_pair(item, "--client-config"));
      given.push_back(std::move(pair));
    }
  }
  bool debug = false;
  for (const auto& [name, value] : given) {
    BATON_TRY(set(conf, name, value));
    debug |= name == "debug";
  }
  if (value_of(conf, "security.protocol").starts_with("sasl_") && value_of(conf, "sasl.mechanisms") == "GSSAPI")
    return Error{Code::invalid_argument,
                 "this program has no Kerberos (GSSAPI); choose another mechanism with --client-config sasl.mechanism=PLAIN, "
                 "SCRAM-SHA-256, "
                 "SCRAM-SHA-512 or OAUTHBEARER"};
  // Its warnings repeat what comes as errors; whoever asks for them with debug=... gets all.
  if (!debug) rd_kafka_conf_set_log_cb(conf, quiet);
  rd_kafka_conf_set_opaque(conf, this);
  rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int error, const char* reason, void* self) {
    static_cast<KafkaClient*>(self)->on_error(static_cast<rd_kafka_resp_err_t>(error), reason);
  });
  if (kind == Kind::producer) {
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
      static_cast<KafkaClient*>(self)->hooks_.delivered(*message);
    });
  }
  if (kind == Kind::consumer && hooks_.rebalanced) {
    rd_kafka_conf_set_rebalance_cb(
        conf, [](rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions, void* self) {
          static_cast<KafkaClient*>(self)->hooks_.rebalanced(error, partitions);
        });
  }
  return {};
}

void KafkaClient::on_error(rd_kafka_resp_err_t error, const char* reason) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      all_down_ = true;
      if (connected_ && !warned_) {
        warned_ = true;
        print_warning("no broker answers at " + options_.bootstrap + (reason_.empty() ? "" : " (" + reason_ + ")") +
                      "; waiting for one");
      }
      break;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
      // Who was let in before is not ended by one broker that restarts.
      if (!connected_)
        refused_ = kafka_error(error, options_.bootstrap, reason);
      else
        reason_ = reason;
      break;
    default:
      reason_ = reason;
      if (rd_kafka_fatal_error(handle_, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
        refused_ = kafka_error(error, options_.bootstrap, reason);
  }
}

void KafkaClient::poll(int timeout_ms) { rd_kafka_poll(handle_, timeout_ms); }

void KafkaClient::works() { warned_ = all_down_ = false; }

Status KafkaClient::healthy() const {
  if (refused_) return *refused_;
  return {};
}

Error KafkaClient::unreachable(std::string_view why) const {
  if (refused_) return *refused_;
  return {Code::unavailable,
          fmt::format(
              "no Kafka broker {} at {}{}; start one with 'baton serve', or name another with --bootstrap or BATON_BOOTSTRAP",
              why, options_.bootstrap, reason_.empty() ? "" : " (" + reason_ + ")")};
}

Result<KafkaClient::Metadata> KafkaClient::metadata(rd_kafka_topic_t* topic) {
  const auto start = env_.clock().monotonic_ns();
  // The call serves no callbacks, so it waits a little longer each time, and in between it is seen whether all brokers have refused.
  for (int slice = 50;; slice *= 2) {
    const auto left = timeout_ms() - static_cast<int>((env_.clock().monotonic_ns() - start) / 1'000'000);
    if (left <= 0) return unreachable(connected_ ? "answers" : "answers in time");
    const rd_kafka_metadata_t* found = nullptr;
    const auto error = rd_kafka_metadata(handle_, topic == nullptr ? 1 : 0, topic, &found, std::min(slice, left));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
      connected_ = true;
      return Metadata(found);
    }
    poll(0);
    if (refused_ || (all_down_ && env_.clock().monotonic_ns() - start > kRefusedNs)) return unreachable("answers");
    if (os::interrupted()) return Error{Code::cancelled, "stopped by a signal while waiting for " + options_.bootstrap};
    if (error != RD_KAFKA_RESP_ERR__TIMED_OUT && error != RD_KAFKA_RESP_ERR__TRANSPORT)
      return kafka_error(error, options_.bootstrap);
  }
}

namespace {
Result<TopicInfo> topic_of(const rd_kafka_metadata_topic_t& topic) {
  if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    auto error = kafka_error(topic.err, "topic '" + std::string(topic.topic) + "'");
    if (error.code == Code::not_found)
      error.detail = "no topic '" + std::string(topic.topic) +
                     "'; 'baton topics list' shows what there is, 'baton topics create' makes one";
    return error;
  }
  TopicInfo info{.name = topic.topic};
  for (int i = 0; i < topic.partition_cnt; ++i) {
    const auto& p = topic.partitions[i];
    info.partitions.push_back({.id = p.id,
                               .leader = p.leader,
                               .replicas = {p.replicas, p.replicas + p.replica_cnt},
                               .in_sync = {p.isrs, p.isrs + p.isr_cnt},
                               .error = p.err});
  }
  std::sort(info.partitions.begin(), info.partitions.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return info;
}
}  // namespace

Result<std::vector<TopicInfo>> KafkaClient::topics() {
  BATON_TRY_ASSIGN(const auto found, metadata(nullptr));
  std::vector<TopicInfo> result;
  for (int i = 0; i < found->topic_cnt; ++i) {
    auto info = topic_of(found->topics[i]);
    if (!info && info.error().code == Code::not_found) continue;  // deleted just now
    if (!info) return info.error();
    result.push_back(*std::move(info));
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return result;
}

Result<TopicInfo> KafkaClient::topic(const std::string& name) {
  RdTopic topic(rd_kafka_topic_new(handle_, name.c_str(), nullptr));
  if (!topic) return kafka_error(rd_kafka_last_error(), "topic '" + name + "'");
  BATON_TRY_ASSIGN(const auto found, metadata(topic.get()));
  if (found->topic_cnt != 1) return Error{Code::unavailable, "topic '" + name + "': the broker's answer does not have it"};
  return topic_of(found->topics[0]);
}

Result<std::map<std::int32_t, std::int64_t>> KafkaClient::offsets_at(const std::string& topic,
                                                                     const std::vector<std::int32_t>& partitions,
                                                                     std::int64_t when) {
  std::map<std::int32_t, std::int64_t> result;
  if (partitions.empty()) return result;
  const auto where = "offsets of topic '" + topic + "'";
  const auto start = env_.clock().monotonic_ns();
  for (;;) {
    RdPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const auto partition : partitions)
      rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), partition)->offset = when;
    auto error = rd_kafka_offsets_for_times(handle_, list.get(), timeout_ms());
    auto place = where;
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      const auto& p = list->elems[i];
      result[p.partition] = p.offset;
      error = p.err;
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) place = fmt::format("{}, partition {}", where, p.partition);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return result;
    // A topic that was made just now has no leader yet, or one that does not know it.
    const bool soon = error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (!soon || os::interrupted() || env_.clock().monotonic_ns() - start > timeout_ms() * std::int64_t{1'000'000})
      return kafka_error(error, place);
    poll(kRetryMs);
  }
}

Result<std::map<std::int32_t, OffsetSpan>> KafkaClient::spans(const std::string& topic,
                                                              const std::vector<std::int32_t>& partitions) {
  BATON_TRY_ASSIGN(const auto firsts, offsets_at(topic, partitions, RD_KAFKA_OFFSET_BEGINNING));
  BATON_TRY_ASSIGN(const auto ends, offsets_at(topic, partitions, RD_KAFKA_OFFSET_END));
  std::map<std::int32_t, OffsetSpan> result;
  for (const auto& [partition, first] : firsts) result[partition] = {first, std::max(first, ends.at(partition))};
  return result;
}

Result<std::map<std::int32_t, std::int64_t>> KafkaClient::resolve(const std::string& topic,
                                                                  const std::map<std::int32_t, OffsetSpan>& spans,
                                                                  const OffsetSpec& spec) {
  std::map<std::int32_t, std::int64_t> times;
  if (spec.kind == OffsetSpec::Kind::time) {
    std::vector<std::int32_t> partitions;
    for (const auto& [partition, span] : spans) partitions.push_back(partition);
    BATON_TRY_ASSIGN(times, offsets_at(topic, partitions, spec.value));
  }
  std::map<std::int32_t, std::int64_t> result;
  for (const auto& [partition, span] : spans) {
    const auto found = times.find(partition);
    const auto at =
        resolve_offset(spec, span, found == times.end() || found->second < 0 ? std::nullopt : std::optional(found->second));
    if (at.moved)
      print_warning(fmt::format("partition {} of topic '{}' has the offsets from {} to {}, not {}: taking {}", partition, topic,
                                span.first, span.end, spec.value, at.offset));
    result[partition] = at.offset;
  }
  return result;
}

Result<RdEvent> KafkaClient::admin(rd_kafka_admin_op_t operation, const std::string& where,
                                   const std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& start) {
  RdPtr<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy> options(rd_kafka_AdminOptions_new(handle_, operation));
  char text[kErrorText] = "";
  constexpr int kMostMs = 3'600'000;  // librdkafka's own limit for one request
  if (const auto error = rd_kafka_AdminOptions_set_request_timeout(options.get(), std::min(timeout_ms(), kMostMs), text, sizeof text);
      error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return kafka_error(error, where, text);
  const RdQueue queue(rd_kafka_queue_new(handle_));
  start(options.get(), queue.get());
  RdEvent event;
  const std::int64_t end_ns = env_.clock().monotonic_ns() + (timeout_ms() + std::int64_t{1000}) * 1'000'000;
  while (!event) {
    if (os::interrupted()) return Error{Code::cancelled, where + ": stopped by a signal before there was an answer: what was asked for may have been done"};
    if (env_.clock().monotonic_ns() > end_ns) return Error{Code::timed_out, where + ": no answer within the --timeout"};
    event.reset(rd_kafka_queue_poll(queue.get(), kRetryMs));
  }
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return kafka_error(error, where, rd_kafka_event_error_string(event.get()));
  return event;
}

}  // namespace baton::cli
