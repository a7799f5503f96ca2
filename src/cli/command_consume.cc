// baton consume.
#include <algorithm>
#include <climits>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "base/try.h"
#include "cli/kafka_client.h"
#include "cli/kafka_record.h"
#include "cli/session.h"
#include "os/socket.h"
#include "os/terminal.h"

namespace baton::cli {
namespace {

constexpr int kIdleMs = 100;
// How long the last commit may take when somebody wants it to end; and when there is no server.
constexpr int kLastWaitMs = 5000, kLastWaitAwayMs = 1000;
constexpr std::size_t kUnflushedMax = 1000;
constexpr std::int64_t kCommitEveryNs = 1'000'000'000;

struct ConsumeOptions {
  KafkaOptions kafka;
  std::string topic, from = "beginning", group, key_separator;
  std::vector<std::int32_t> partitions;
  std::uint64_t max = 0;
  bool until_end = false;
};

// Records on standard output. What is printed is counted at once, and known to be with the reader after a flush.
class Printer {
 public:
  Printer(Session& session, std::string key_separator)
      : session_(session), key_separator_(std::move(key_separator)), escape_(os::terminal(1).interactive) {}

  void print(const rd_kafka_message_t& message) {
    if (session_.out().json()) {
      text_.clear();
      put_json_record(text_, place_of(message), record_of(message));
      session_.out().line(text_);
    } else {
      text_.clear();
      if (!key_separator_.empty()) {
        put(message.key, message.key_len);
        text_ += key_separator_;
      }
      put(message.payload, message.len);
      session_.out().line(text_);
    }
    ++printed_;
    ++unflushed_;
  }
  // ok, or what became of the reader. `quiet`: it has closed its end, which is no failure.
  [[nodiscard]] Status flush(bool& quiet) {
    unflushed_ = 0;
    if (session_.out().flush()) return {};
    quiet = os::output_closed();
    return Error{Code::io_error, "standard output cannot be written"};
  }
  [[nodiscard]] std::uint64_t printed() const { return printed_; }
  [[nodiscard]] std::size_t unflushed() const { return unflushed_; }

 private:
  void put(const void* data, std::size_t size) {
    const std::string_view bytes(static_cast<const char*>(data), data == nullptr ? 0 : size);
    text_ += escape_ ? printable(bytes) : bytes;
  }
  static RecordPlace place_of(const rd_kafka_message_t& message) {
    rd_kafka_timestamp_type_t type{};
    (void)rd_kafka_message_timestamp(&message, &type);
    return {.topic = rd_kafka_topic_name(message.rkt),
            .partition = message.partition,
            .offset = message.offset,
            .broker_time = type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME};
  }
  static std::optional<std::string> bytes_of(const void* data, std::size_t size) {
    if (data == nullptr) return std::nullopt;
    return std::string(static_cast<const char*>(data), size);
  }
  static KafkaRecord record_of(const rd_kafka_message_t& message) {
    KafkaRecord record{.key = bytes_of(message.key, message.key_len), .value = bytes_of(message.payload, message.len)};
    rd_kafka_timestamp_type_t type{};
    const auto ms = rd_kafka_message_timestamp(&message, &type);
    if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE) record.timestamp_ms = ms;
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
      record.headers.push_back({name, bytes_of(value, size)});
    return record;
  }

  Session& session_;
  std::string key_separator_, text_;
  bool escape_;
  std::uint64_t printed_ = 0;
  std::size_t unflushed_ = 0;
};

// The end of a partition is told by a fetch that found nothing.
KafkaClient::Settings with_quick_end(KafkaClient::Settings settings, bool until_end) {
  if (until_end) settings.emplace_back("fetch.wait.max.ms", "20");
  return settings;
}

class Consumption {
 public:
  Consumption(Session& session, const ConsumeOptions& options) : session_(session), o_(options) {}
  [[nodiscard]] Status run();

 private:
  [[nodiscard]] Status find_partitions();
  [[nodiscard]] Status start_alone();
  [[nodiscard]] Status start_group();
  void on_rebalance(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions);
  [[nodiscard]] Status loop();
  [[nodiscard]] RdMessage next(int timeout_ms);
  [[nodiscard]] Status take(const rd_kafka_message_t& message);
  [[nodiscard]] Status settle(bool commit, bool wait = false);
  [[nodiscard]] Status begin_commit();
  [[nodiscard]] Status end_commit(int timeout_ms);
  void stop_all();
  [[nodiscard]] bool enough() const {
    return (o_.max > 0 && printer_->printed() >= o_.max) || (o_.until_end && assigned_ && open_.empty());
  }

  Session& session_;
  const ConsumeOptions& o_;
  std::unique_ptr<Printer> printer_;
  std::vector<std::int32_t> partitions_;
  std::unique_ptr<KafkaClient> admin_;   // asks; without a group it reads, too
  std::unique_ptr<KafkaClient> member_;  // of the group
  RdQueue queue_;
  RdTopic topic_;
  std::vector<std::int32_t> started_;
  bool assigned_ = false, closed_ = false, committing_ = false;
  std::map<std::int32_t, std::int64_t> ends_;       // with --until-end: what there was at the start
  std::set<std::int32_t> open_;                     // partitions whose end has not been reached
  std::map<std::int32_t, std::int64_t> printed_;    // offsets behind what was printed; after a flush they may be committed
  std::map<std::int32_t, std::int64_t> in_flight_;  // of the commit that is not answered yet
  RdQueue commits_;
  std::int64_t commit_ns_ = 0;
  std::optional<Error> failure_;  // of a callback
};

Status Consumption::find_partitions() {
  KafkaClient::Settings settings = {{"enable.partition.eof", "true"}, {"auto.offset.reset", "error"}};
  BATON_TRY_ASSIGN(
      admin_, KafkaClient::open(session_.env(), o_.kafka, KafkaClient::Kind::admin, with_quick_end(settings, o_.until_end)));
  BATON_TRY_ASSIGN(const auto topic, admin_->topic(o_.topic));
  for (const auto& p : topic.partitions)
    if (o_.partitions.empty() || std::find(o_.partitions.begin(), o_.partitions.end(), p.id) != o_.partitions.end())
      partitions_.push_back(p.id);
  for (const auto id : o_.partitions)
    if (std::find(partitions_.begin(), partitions_.end(), id) == partitions_.end())
      return Error{Code::not_found,
                   fmt::format("topic '{}' has no partition {}; it has {}", o_.topic, id, topic.partitions.size())};
  return {};
}

// Without a group the partitions are read directly: nobody is asked for a coordinator, and no group appears anywhere.
Status Consumption::start_alone() {
  BATON_TRY_ASSIGN(const auto spec, parse_offset_spec(o_.from, "--from"));
  BATON_TRY_ASSIGN(const auto spans, admin_->spans(o_.topic, partitions_));
  BATON_TRY_ASSIGN(const auto starts, admin_->resolve(o_.topic, spans, spec));
  queue_.reset(rd_kafka_queue_new(admin_->get()));
  topic_.reset(rd_kafka_topic_new(admin_->get(), o_.topic.c_str(), nullptr));
  assigned_ = true;
  for (const auto& [partition, offset] : starts) {
    if (o_.until_end) {
      ends_[partition] = spans.at(partition).end;
      if (offset >= ends_[partition]) continue;
      open_.insert(partition);
    }
    if (rd_kafka_consume_start_queue(topic_.get(), partition, offset, queue_.get()) != 0)
      return kafka_error(rd_kafka_last_error(), fmt::format("topic '{}', partition {}", o_.topic, partition));
    started_.push_back(partition);
  }
  return {};
}

Status Consumption::start_group() {
  BATON_TRY_ASSIGN(const auto spec, parse_offset_spec(o_.from, "--from"));
  if (spec.kind != OffsetSpec::Kind::beginning && spec.kind != OffsetSpec::Kind::end)
    return Error{Code::invalid_argument,
                 "with --group, --from is 'beginning' or 'end', for partitions where the group has committed nothing; "
                 "'baton groups reset' sets where it goes on"};
  KafkaClient::Settings settings = {{"group.id", o_.group},
                                    {"enable.auto.commit", "false"},
                                    {"enable.auto.offset.store", "false"},
                                    {"enable.partition.eof", "true"},
                                    {"auto.offset.reset", spec.kind == OffsetSpec::Kind::end ? "latest" : "earliest"}};
  KafkaClient::Hooks hooks;
  hooks.rebalanced = [this](rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions) {
    on_rebalance(error, partitions);
  };
  BATON_TRY_ASSIGN(member_, KafkaClient::open(session_.env(), o_.kafka, KafkaClient::Kind::consumer,
                                              with_quick_end(settings, o_.until_end), std::move(hooks)));
  commits_.reset(rd_kafka_queue_new(member_->get()));
  RdPartitions topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), o_.topic.c_str(), RD_KAFKA_PARTITION_UA);
  if (const auto error = rd_kafka_subscribe(member_->get(), topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return kafka_error(error, "group '" + o_.group + "'");
  return {};
}

void Consumption::on_rebalance(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* partitions) {
  const bool cooperative = std::string_view(rd_kafka_rebalance_protocol(member_->get())) == "COOPERATIVE";
  if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    // Others go on behind what is committed here. A lost assignment is theirs already, and its commit is refused.
    if (rd_kafka_assignment_lost(member_->get()) == 0) {
      auto settled = settle(true, true);
      if (!settled && settled.error().code == Code::timed_out)
        print_warning(settled.error().detail);
      else if (!settled && !failure_)
        failure_ = settled.error();
    }
    for (int i = 0; i < partitions->cnt; ++i) {
      open_.erase(partitions->elems[i].partition);
      printed_.erase(partitions->elems[i].partition);
    }
    if (!cooperative) assigned_ = false;  // until the next assignment: all partitions being gone is not their end
    const RdError ignored(cooperative ? rd_kafka_incremental_unassign(member_->get(), partitions) : nullptr);
    if (!cooperative) rd_kafka_assign(member_->get(), nullptr);
    return;
  }
  if (o_.until_end) {
    std::vector<std::int32_t> ids;
    for (int i = 0; i < partitions->cnt; ++i) ids.push_back(partitions->elems[i].partition);
    auto spans = admin_->spans(o_.topic, ids);
    if (!spans && !failure_) failure_ = spans.error();
    for (const auto id : ids) {
      if (spans) ends_[id] = spans->at(id).end;
      open_.insert(id);
    }
  }
  assigned_ = true;
  const RdError ignored(cooperative ? rd_kafka_incremental_assign(member_->get(), partitions) : nullptr);
  if (!cooperative) rd_kafka_assign(member_->get(), partitions);
}

RdMessage Consumption::next(int timeout_ms) {
  if (member_) return RdMessage(rd_kafka_consumer_poll(member_->get(), timeout_ms));
  admin_->poll(0);
  return RdMessage(rd_kafka_consume_queue(queue_.get(), timeout_ms));
}

Status Consumption::take(const rd_kafka_message_t& message) {
  const auto where = message.rkt == nullptr ? "topic '" + o_.topic + "'"
                                            : fmt::format("topic '{}', partition {}", o_.topic, message.partition);
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR: break;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: open_.erase(message.partition); return {};
    case RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED:  // whoever reads our output has stopped for minutes
      print_warning(where + ": the group went on without this member, which joins again; some records may come again");
      return {};
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
      return Error{
          Code::not_found,
          where + ": the next records are gone (retention, or the topic was made anew); start again with --from beginning"};
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return Error{Code::not_found, where + " was deleted"};
    default: return kafka_error(message.err, where, rd_kafka_message_errstr(&message));
  }
  if (o_.until_end) {
    const auto end = ends_.find(message.partition);
    if (end != ends_.end() && message.offset >= end->second) {
      open_.erase(message.partition);
      return {};
    }
    if (end != ends_.end() && message.offset + 1 >= end->second) open_.erase(message.partition);
  }
  (member_ ? member_ : admin_)->works();
  printer_->print(message);
  if (member_) printed_[message.partition] = message.offset + 1;
  return {};
}

// Hands over what was printed; only then is it committed. `wait`: until that is done, since what comes next builds on it.
Status Consumption::settle(bool commit, bool wait) {
  if (printer_->unflushed() > 0) {
    bool quiet = false;
    if (auto flushed = printer_->flush(quiet); !flushed) {
      closed_ = true;
      printed_.clear();
      if (quiet) return {};
      return flushed;
    }
  }
  if (!member_) return {};
  auto& clock = session_.env().clock();
  for (const auto start = clock.monotonic_ns();;) {
    BATON_TRY(end_commit(wait && committing_ ? kIdleMs : 0));
    if (commit && !committing_ && !printed_.empty()) BATON_TRY(begin_commit());
    if (!wait || (!committing_ && printed_.empty())) return {};
    const auto limit = std::min(member_->timeout_ms(), !member_->reachable() ? kLastWaitAwayMs
                                                       : os::interrupted()   ? kLastWaitMs
                                                                             : INT_MAX);
    if (clock.monotonic_ns() - start < limit * std::int64_t{1'000'000}) continue;
    printed_.clear();
    return Error{Code::timed_out, "the last commit of group '" + o_.group +
                                      "' is not answered; the records since the one before may come again"};
  }
}

Status Consumption::begin_commit() {
  RdPartitions offsets(rd_kafka_topic_partition_list_new(static_cast<int>(printed_.size())));
  for (const auto& [partition, offset] : printed_)
    rd_kafka_topic_partition_list_add(offsets.get(), o_.topic.c_str(), partition)->offset = offset;
  commit_ns_ = session_.env().clock().monotonic_ns();
  const auto error = rd_kafka_commit_queue(member_->get(), offsets.get(), commits_.get(), nullptr, nullptr);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "commit of group '" + o_.group + "'");
  committing_ = true;
  in_flight_ = printed_;
  return {};
}

Status Consumption::end_commit(int timeout_ms) {
  if (!committing_) return {};
  const RdEvent event(rd_kafka_queue_poll(commits_.get(), timeout_ms));
  if (!event) return {};
  committing_ = false;
  const auto error = rd_kafka_event_error(event.get());
  const auto failed = kafka_error(error, "commit of group '" + o_.group + "'");
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      member_->works();
      std::erase_if(printed_, [&](const auto& item) {
        const auto sent = in_flight_.find(item.first);
        return sent != in_flight_.end() && sent->second == item.second;
      });
      return {};
    // The group goes on without us, or is about to: whoever has the partitions next reads from the commit before, and so may we.
    case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
      print_warning(failed.detail + "; the records since the last one may come again");
      printed_.clear();
      return {};
    // The coordinator is away: it is tried again, with what is printed meanwhile.
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS: {
      const RdEvent pause(rd_kafka_queue_poll(commits_.get(), timeout_ms));  // nothing is under way there
      return {};
    }
    default: return failed;
  }
}

Status Consumption::loop() {
  auto& clock = session_.env().clock();
  const auto due = [&] { return clock.monotonic_ns() - commit_ns_ > kCommitEveryNs; };
  commit_ns_ = clock.monotonic_ns();
  while (!os::interrupted() && !enough() && !closed_) {
    const auto message = next(printer_->unflushed() > 0 ? 0 : kIdleMs);
    if (failure_) return *failure_;
    BATON_TRY((member_ ? member_ : admin_)->healthy());
    if (message) {
      BATON_TRY(take(*message));
      if (printer_->unflushed() < kUnflushedMax) continue;
      BATON_TRY(settle(due()));
    } else if (printer_->unflushed() > 0) {
      BATON_TRY(settle(false));
    } else {
      BATON_TRY(settle(member_ && (member_->reachable() || due())));
      closed_ |= os::output_closed();
    }
  }
  return {};
}

void Consumption::stop_all() {
  for (const auto partition : started_) rd_kafka_consume_stop(topic_.get(), partition);
  if (!member_) return;
  // With a commit that is not answered, the library would wait for it; the group then misses us when the session is over.
  if (committing_)
    member_->abandon();
  else
    rd_kafka_consumer_close(member_->get());
}

Status Consumption::run() {
  os::ignore_broken_pipes();
  BATON_TRY_ASSIGN(auto separator, unescape(o_.key_separator));
  printer_ = std::make_unique<Printer>(session_, std::move(separator));
  BATON_TRY(find_partitions());
  auto status = o_.group.empty() ? start_alone() : start_group();
  if (status) status = loop();
  // Also after a failure: what was printed before it is committed.
  auto settled = settle(true, true);
  if (status && !settled) status = settled;
  printed_.clear();
  stop_all();
  if (status && failure_) status = *failure_;
  return status;
}

}  // namespace

void add_consume_command(CLI::App& app, Session& session) {
  auto o = std::make_shared<ConsumeOptions>();
  auto* sub = app.add_subcommand("consume", "Print the records of a topic, and follow it");
  sub->add_option("topic", o->topic, "The topic")->required();
  sub->add_option("--from", o->from, "beginning, end, an offset, -N (N before the end), or a time (RFC 3339)")
      ->capture_default_str();
  auto* partitions =
      sub->add_option("--partition", o->partitions, "Only this partition; may be repeated")->allow_extra_args(false);
  sub->add_option("--group", o->group, "As a member of this group: goes on where it stands, commits what was printed")
      ->excludes(partitions);
  sub->add_option("-n,--max", o->max, "End after so many records")->check(at_least(1));
  sub->add_flag("--until-end", o->until_end, "End where each partition ends now; else follow");
  sub->add_option("--key-separator", o->key_separator, "Print KEY SEPARATOR VALUE; \\t and \\xHH are understood");
  o->kafka.add_to(*sub);
  sub->footer(with_exit_codes(
      "With --json, a record is one object: topic, partition, offset, timestamp, key, value, headers; 'baton --json produce' "
      "takes it back.\n"
      "SIGINT and SIGTERM end it; with --group, what was printed is committed then."));
  sub->callback([&session, o] { session.run([&] { return Consumption(session, *o).run(); }); });
}

}  // namespace baton::cli
