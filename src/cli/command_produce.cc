// baton produce.
#include <memory>

#include <fmt/format.h>

#include "base/try.h"
#include "cli/input.h"
#include "cli/kafka_client.h"
#include "cli/kafka_record.h"
#include "cli/line_reader.h"
#include "cli/session.h"
#include "os/terminal.h"

namespace baton::cli {
namespace {

constexpr int kServeMs = 100;  // how long a wait for input or for space keeps delivery reports waiting

struct ProduceOptions {
  KafkaOptions kafka;
  std::string topic, file = "-", key_separator, acks = "all", compression = "none", partitioner = "murmur2_random";
  std::vector<std::string> headers;
  std::optional<std::string> key, null_text;
  std::int32_t partition = -1;
  bool idempotent = true, create = false, keep_going = false;
  bool idempotent_given = false;
};

// One run: lines become records, every record gets an answer, and every answer is counted.
class Production {
 public:
  Production(Session& session, const ProduceOptions& options) : session_(session), o_(options) {}

  [[nodiscard]] Status run();

 private:
  [[nodiscard]] Status prepare();
  [[nodiscard]] Result<LineReader> open_input();
  [[nodiscard]] Result<std::size_t> read_standard_input(base::MutableByteView out);
  [[nodiscard]] Status send_lines(LineReader& lines);
  [[nodiscard]] Result<KafkaRecord> parse(std::string_view line) const;
  [[nodiscard]] Status send(const KafkaRecord& record, std::uint64_t line);
  [[nodiscard]] Error queue_error(rd_kafka_resp_err_t error, const std::string& text) const;
  void await_all();
  void on_delivered(const rd_kafka_message_t& message);
  void print_failures();
  [[nodiscard]] Status conclude(Status read);
  [[nodiscard]] bool stop() const { return os::interrupted() || (failed_ > 0 && !o_.keep_going) || !client_->healthy(); }
  void serve(int timeout_ms) {
    client_->poll(timeout_ms);
    if (o_.keep_going) print_failures();  // whoever goes on wants to know at once
    session_.out().progress(session_.env().clock(), "acknowledged", acknowledged_, 0, "records");
  }

  Session& session_;
  const ProduceOptions& o_;
  LineFormat format_;
  std::vector<RecordHeader> headers_;
  std::unique_ptr<KafkaClient> client_;
  std::string name_;  // of the input
  std::uint64_t sent_ = 0, acknowledged_ = 0, failed_ = 0;
  std::optional<Error> first_failure_;
  bool conditions_ = false;  // some record has baton-expected-version
  // Neighbours that failed in the same way are said in one line.
  std::uint64_t run_first_ = 0, run_last_ = 0;
  rd_kafka_resp_err_t run_error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
};

constexpr std::string_view kExpectedVersion = "baton-expected-version";

bool has_condition(const std::vector<RecordHeader>& headers) {
  for (const auto& header : headers)
    if (header.name == kExpectedVersion) return true;
  return false;
}

Status Production::prepare() {
  BATON_TRY_ASSIGN(format_.key_separator, unescape(o_.key_separator));
  format_.null_text = o_.null_text;
  for (const auto& text : o_.headers) {
    BATON_TRY_ASSIGN(auto pair, parse_pair(text, "--header"));
    headers_.push_back({std::move(pair.first), std::move(pair.second)});
  }
  {
    // Asks first: a producer's own question for a topic would make it, and a typo would be a topic.
    BATON_TRY_ASSIGN(auto admin, KafkaClient::open(session_.env(), o_.kafka, KafkaClient::Kind::admin,
                                                   {{"allow.auto.create.topics", o_.create ? "true" : "false"}}));
    auto topic = admin->topic(o_.topic);
    // The broker that makes it answers once that there is none yet.
    for (int i = 0; !topic && topic.error().code == Code::not_found && o_.create && i < 50 && !os::interrupted(); ++i) {
      admin->poll(kServeMs);
      topic = admin->topic(o_.topic);
    }
    if (!topic && topic.error().code == Code::not_found && !o_.create) topic.error().detail += ", and so does --create here";
    if (!topic) return topic.error();
    if (o_.partition >= 0 && static_cast<std::size_t>(o_.partition) >= topic->partitions.size())
      return Error{Code::invalid_argument,
                   fmt::format("topic '{}' has no partition {}; it has {}", o_.topic, o_.partition, topic->partitions.size())};
  }
  if (o_.acks != "all" && o_.acks != "-1" && o_.idempotent && o_.idempotent_given)
    return Error{Code::invalid_argument, "--idempotent needs --acks all"};
  const bool idempotent = o_.idempotent && (o_.acks == "all" || o_.acks == "-1");
  KafkaClient::Settings settings = {{"acks", o_.acks},
                                    {"enable.idempotence", idempotent ? "true" : "false"},
                                    {"compression.type", o_.compression},
                                    {"partitioner", o_.partitioner},
                                    {"message.timeout.ms", std::to_string(o_.kafka.timeout_ms())},
                                    {"queue.buffering.max.kbytes", "65536"}};
  KafkaClient::Hooks hooks;
  hooks.delivered = [this](const rd_kafka_message_t& message) { on_delivered(message); };
  BATON_TRY_ASSIGN(client_,
                   KafkaClient::open(session_.env(), o_.kafka, KafkaClient::Kind::producer, settings, std::move(hooks)));
  return {};
}

Result<std::size_t> Production::read_standard_input(base::MutableByteView out) {
  for (;;) {
    // What came is on its way before the next line is waited for, and its answers are looked at meanwhile.
    BATON_TRY_ASSIGN(const auto got, os::read_standard_input(out, kServeMs));
    if (got) return *got;
    serve(0);
    if (stop()) return Error{Code::cancelled, "stopped"};
  }
}

Result<LineReader> Production::open_input() {
  if (o_.file == "-") {
    name_ = "standard input";
    return LineReader([this](base::MutableByteView out) { return read_standard_input(out); }, name_);
  }
  name_ = o_.file;
  auto input = InputStream::open(session_.env(), o_.file);
  // A file that is missing is a wrong argument here, not a topic that is missing.
  if (!input)
    return Error{input.error().code == Code::not_found ? Code::invalid_argument : input.error().code, input.error().detail};
  return LineReader(
      [stream = std::shared_ptr<InputStream>(*std::move(input))](base::MutableByteView out) { return stream->read(out); },
      name_);
}

Result<KafkaRecord> Production::parse(std::string_view line) const {
  auto record = session_.json_ ? parse_json_record(line) : parse_text_record(line, format_);
  if (!record) return record;
  if (o_.key && !record->key) record->key = *o_.key;
  if (o_.partition >= 0) record->partition = o_.partition;
  record->headers.insert(record->headers.begin(), headers_.begin(), headers_.end());
  return record;
}

Error Production::queue_error(rd_kafka_resp_err_t error, const std::string& text) const {
  if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    return {
        Code::too_large,
        "the record is larger than message.max.bytes (1,000,000 unless --client-config message.max.bytes=N says otherwise)"};
  if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    return {Code::invalid_argument, "topic '" + o_.topic + "' has no such partition"};
  return kafka_error(error, "topic '" + o_.topic + "'", text.c_str());
}

Status Production::send(const KafkaRecord& record, std::uint64_t line) {
  RdPtr<rd_kafka_headers_t, rd_kafka_headers_destroy> headers(rd_kafka_headers_new(record.headers.size()));
  for (const auto& [name, value] : record.headers)
    rd_kafka_header_add(headers.get(), name.data(), static_cast<ssize_t>(name.size()), value ? value->data() : nullptr,
                        value ? static_cast<ssize_t>(value->size()) : 0);
  std::vector<rd_kafka_vu_t> fields;
  const auto field = [&](rd_kafka_vtype_t type) -> auto& {
    fields.push_back({});
    fields.back().vtype = type;
    return fields.back().u;
  };
  const auto bytes = [&](rd_kafka_vtype_t type, const std::string& text) {
    auto& u = field(type);
    u.mem.ptr = const_cast<char*>(text.data());
    u.mem.size = text.size();
  };
  field(RD_KAFKA_VTYPE_TOPIC).cstr = o_.topic.c_str();
  field(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  field(RD_KAFKA_VTYPE_OPAQUE).ptr = reinterpret_cast<void*>(line);  // NOLINT(performance-no-int-to-ptr)
  if (record.key) bytes(RD_KAFKA_VTYPE_KEY, *record.key);
  if (record.value) bytes(RD_KAFKA_VTYPE_VALUE, *record.value);
  if (record.partition) field(RD_KAFKA_VTYPE_PARTITION).i32 = *record.partition;
  if (record.timestamp_ms) field(RD_KAFKA_VTYPE_TIMESTAMP).i64 = *record.timestamp_ms;
  if (!record.headers.empty()) field(RD_KAFKA_VTYPE_HEADERS).headers = headers.get();
  for (;;) {
    const RdError error(rd_kafka_produceva(client_->get(), fields.data(), fields.size()));
    if (!error) {
      if (!record.headers.empty()) (void)headers.release();  // the library has taken them
      ++sent_;
      return {};
    }
    if (rd_kafka_error_code(error.get()) != RD_KAFKA_RESP_ERR__QUEUE_FULL)
      return queue_error(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()));
    serve(kServeMs);
    if (stop()) return Error{Code::cancelled, "stopped"};
  }
}

Status Production::send_lines(LineReader& lines) {
  std::string_view line;
  while (!stop()) {
    BATON_TRY_ASSIGN(const bool more, lines.next(line));
    if (!more) return {};
    if (session_.json_ && line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto record = parse(line);
    if (!record) return lines.at_line(record.error());
    // A batch is refused as a whole: a record with a condition goes alone, so that its neighbours are not refused with it.
    const bool alone = has_condition(record->headers);
    conditions_ |= alone;
    if (alone) await_all();
    if (stop()) break;
    if (auto sent = send(*record, lines.number()); !sent)
      return sent.error().code == Code::cancelled ? sent : Status(lines.at_line(sent.error()));
    if (alone) await_all();
    serve(0);
  }
  return Error{Code::cancelled, "stopped"};
}

// Until each record has its answer; each gets one within the --timeout.
void Production::await_all() {
  while (acknowledged_ + failed_ < sent_ && client_->healthy()) {
    rd_kafka_flush(client_->get(), kServeMs);
    serve(0);
  }
}

void Production::on_delivered(const rd_kafka_message_t& message) {
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    ++acknowledged_;
    client_->works();
    return;
  }
  ++failed_;
  const auto line = reinterpret_cast<std::uint64_t>(message._private);
  if (run_error_ == message.err && line == run_last_ + 1) {
    run_last_ = line;
  } else {
    print_failures();
    run_first_ = run_last_ = line;
    run_error_ = message.err;
  }
  if (first_failure_) return;
  auto error = kafka_error(message.err, name_ + ": line " + std::to_string(line));
  if (message.err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)  // what the broker said each time, librdkafka keeps to itself
    error.detail += client_->reachable() ? " (the broker is there, and took it not once within --timeout: it answers so when its disk is full, and its log says why)"
                                         : " (the broker cannot be reached)";
  if (message.err == RD_KAFKA_RESP_ERR_INVALID_RECORD) {
    // Produce v7, which librdkafka 2.0 sends, has no room for the broker's reason.
    if (conditions_)
      error = {Code::wrong_version,
               error.detail + " (" + std::string(kExpectedVersion) +
                   " does not hold, or the record breaks a rule of its topic; the server's reason does not come through)"};
    else
      error.detail +=
          " (an event topic wants a key and the header ce_type, and the partition that its partitioner names; see "
          "docs/kafka.md)";
  }
  first_failure_ = std::move(error);
}

void Production::print_failures() {
  if (run_error_ == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  session_.out().end_progress();
  if (session_.json_) {
    const auto text =
        fmt::format("{{\"error\":{},\"detail\":{},\"line\":{},\"last_line\":{}}}", json_string(rd_kafka_err2name(run_error_)),
                    json_string(rd_kafka_err2str(run_error_)), run_first_, run_last_);
    std::fprintf(stderr, "%s\n", text.c_str());
  } else {
    const auto lines =
        run_first_ == run_last_ ? fmt::format("line {}", run_first_) : fmt::format("lines {} to {}", run_first_, run_last_);
    std::fprintf(stderr, "baton: not acknowledged: %s: %s: %s: %s\n", name_.c_str(), lines.c_str(),
                 rd_kafka_err2name(run_error_), rd_kafka_err2str(run_error_));
  }
  run_error_ = RD_KAFKA_RESP_ERR_NO_ERROR;
}

Status Production::conclude(Status read) {
  if (failed_ > 1 || o_.keep_going) print_failures();  // one alone is the error that follows
  session_.out().end_progress();
  const auto unanswered = sent_ - acknowledged_ - failed_;
  session_.out().line(
      session_.out().json()
          ? fmt::format("{{\"acknowledged\":{},\"failed\":{},\"unanswered\":{}}}", acknowledged_, failed_, unanswered)
          : fmt::format("{} record{} acknowledged{}", with_commas(acknowledged_), acknowledged_ == 1 ? "" : "s",
                        failed_ > 0 ? ", " + with_commas(failed_) + " not" : ""));
  if (first_failure_ && failed_ > 1)
    first_failure_->detail = fmt::format("{} records were not acknowledged; the first: {}", failed_, first_failure_->detail);
  if (first_failure_) return *first_failure_;
  BATON_TRY(client_->healthy());
  if (unanswered > 0)
    return Error{Code::unavailable, fmt::format("{} records have no answer; they may have been stored or not", unanswered)};
  return read;
}

Status Production::run() {
  BATON_TRY(prepare());
  BATON_TRY_ASSIGN(auto lines, open_input());
  if (o_.file == "-" && os::terminal(0).interactive && os::terminal(2).interactive)
    std::fprintf(stderr, "a record a line, each sent at once; the end is Ctrl-D\n");
  auto read = send_lines(lines);
  await_all();
  if (!read && read.error().code == Code::cancelled)
    read = Error{Code::cancelled, fmt::format("{}: stopped by a signal; what was read is acknowledged, the next line is {}",
                                              name_, lines.number() + 1)};
  return conclude(std::move(read));
}

}  // namespace

void add_produce_command(CLI::App& app, Session& session) {
  auto o = std::make_shared<ProduceOptions>();
  auto* sub = app.add_subcommand("produce", "Send records to a topic, one a line");
  sub->add_option("topic", o->topic, "The topic")->required();
  sub->add_option("file", o->file, "The lines; also packed with gzip, xz or zstd; '-': standard input")->capture_default_str();
  sub->add_option("--key-separator", o->key_separator,
                  "A line is KEY SEPARATOR VALUE; \\t and \\xHH are understood; else it is the value");
  sub->add_option("--key", o->key, "The key of every record that has none");
  sub->add_option("--null", o->null_text, "A key or value that is this text is none (a tombstone)");
  sub->add_option("--header", o->headers, "NAME=VALUE of every record, e.g. ce_type=RideStarted; may be repeated")
      ->allow_extra_args(false);
  sub->add_option("--partition", o->partition, "All to this partition; else by the key")->check(at_least(0));
  sub->add_option("--partitioner", o->partitioner,
                  "Which partition a key has: murmur2_random is that of Java and of event topics")
      ->check(
          CLI::IsMember({"murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a", "random"}))
      ->capture_default_str();
  sub->add_option("--compression", o->compression, "none, gzip, snappy, lz4 or zstd")
      ->check(CLI::IsMember({"none", "gzip", "snappy", "lz4", "zstd"}))
      ->capture_default_str();
  sub->add_option("--acks", o->acks, "all, 1 or 0: who must have a record before it counts; with 0 nobody says")
      ->check(CLI::IsMember({"all", "-1", "1", "0"}))
      ->capture_default_str();
  auto* idempotent = sub->add_flag("--idempotent,!--no-idempotent", o->idempotent,
                                   "Send again without doubling; on, unless --acks says less than all");
  sub->add_flag("--create", o->create, "Make the topic if it is not there, as the broker's auto-create does");
  sub->add_flag("--keep-going", o->keep_going, "Go on behind a record that was refused");
  o->kafka.add_to(*sub);
  sub->footer(with_exit_codes(
      "With --json, a line is "
      "{\"key\":..,\"value\":..,\"headers\":[{\"name\":..,\"value\":..}],\"partition\":..,\"timestamp\":..}, all optional: "
      "what\n"
      "'baton --json consume' prints. Bytes that are not UTF-8 stand in key_base64, value_base64."));
  sub->callback([&session, o, idempotent] {
    o->idempotent_given = idempotent->count() > 0;
    session.run([&] { return Production(session, *o).run(); });
  });
}

}  // namespace baton::cli
