#include "log/log_simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "log/batch.h"

namespace baton::log {
namespace {

bool tracing() { return std::getenv("BATON_SIM_TRACE") != nullptr; }

constexpr char kDirectory[] = "/data";

os::SimOptions world_options(const SimulationOptions& options) {
  os::SimOptions out{.seed = options.seed};
  out.crash.powersafe_overwrite = options.powersafe_overwrite;
  return out;
}

constexpr std::int64_t kProducer = 4'711;

base::Bytes batch_of(const std::vector<std::string>& values, std::int64_t append_ms, const BatchHeader& fields) {
  BatchBuilder builder;
  for (const auto& value : values) builder.add(append_ms, base::as_bytes("key"), base::as_bytes(value), {});
  return builder.finish(append_ms, fields).value();
}

}  // namespace

LogSimulation::LogSimulation(const SimulationOptions& options) : options_(options), world_(world_options(options)) {
  chosen_.segment_bytes = 4096 << below(4);
  chosen_.journal_bytes = 8192 << below(5);
  chosen_.in_place_bytes = one_in(2) ? 1500 + below(5000) : 1 << 20;
  chosen_.reserve_bytes = one_in(2) ? 0 : 64 << 10;
}

LogSimulation::~LogSimulation() {
  log_.reset();
  owner_.reset();
  worker_.reset();
  env_.reset();
}

void LogSimulation::fail(const std::string& what) {
  if (failure_.empty()) failure_ = "seed " + std::to_string(options_.seed) + ": " + what;
}

// After a failed sync of a directory the file system of a real machine stops; that of the simulation goes on and shows names that it has
// forgotten, which nothing but a restart can put right.
void LogSimulation::note_failure(const Error& error) {
  for (const char* text : {"sync directory", "sync the file system"}) {
    names_forgotten_ = names_forgotten_ || error.detail.find(text) != std::string::npos;
  }
}

LogOptions LogSimulation::log_options() { return chosen_; }

std::string LogSimulation::find_damage() {
  const auto report = verify(*env_, kDirectory, std::nullopt, [](std::uint64_t, std::uint64_t) {});
  if (!report) return report.error().to_string();
  if (report->findings.empty()) return "";
  const auto& finding = report->findings.front();
  return finding.file + ", position " + std::to_string(finding.position) + ": " + finding.what;
}

bool LogSimulation::open_log() {
  env_ = std::make_unique<os::SimEnv>(world_);
  owner_ = env_->make_executor("owner");
  worker_ = env_->make_executor("worker");
  const std::string damage = last_epoch_.value() > 0 ? find_damage() : "";
  // A recovery may be interrupted, too (F6).
  if (one_in(3)) {
    if (one_in(2)) {
      env_->kill_in(1 + below(60));
    } else {
      world_.disk().faults.power_loss_at = world_.disk().counters().mutations + 1 + below(60);
    }
  } else if (one_in(12)) {
    world_.disk().faults.fail_sync_at = world_.disk().counters().syncs + 1 + below(8);
    sync_failed_ = true;
  }
  auto opened = Log::open(*env_, kDirectory, log_options(), *owner_, *worker_);
  if (!opened) {
    note_failure(opened.error());
    const bool ended = !env_->alive();
    const bool allowed = ended || (sync_failed_ && opened.error().code == Code::io_error);
    if (!allowed) fail("open: " + opened.error().to_string());
    return false;
  }
  log_ = std::move(*opened);
  if (!damage.empty()) fail("verify, before an open that found nothing: " + damage);
  if (env_->alive() && log_->epoch() <= last_epoch_) fail("the epoch did not rise");
  if (env_->alive()) last_epoch_ = log_->epoch();
  return true;
}

// How this life ends, and what goes wrong in it.
void LogSimulation::plan_end() {
  auto& faults = world_.disk().faults;
  if (!env_->alive()) return;
  env_->kill_in(0);
  faults.power_loss_at = 0;
  end_ = static_cast<End>(below(4));
  if (end_ == End::kill) env_->kill_in(1 + below(400));
  if (end_ == End::power) faults.power_loss_at = world_.disk().counters().mutations + 1 + below(400);
  if (one_in(8)) {
    faults.fail_sync_at = world_.disk().counters().syncs + 1 + below(60);
    sync_failed_ = true;
  }
  if (one_in(10)) faults.capacity_bytes = world_.disk().used_bytes() + below(1 << 20);
}

void LogSimulation::create_topic() {
  if (models_.size() > 8) return;
  Model model{.topic = "t" + std::to_string(models_.size())};
  Settings settings;
  auto kind = TopicKind::event;
  switch (below(6)) {
    case 0: kind = TopicKind::plain; model.durability = Durability::interval; settings["durability"] = "interval"; break;
    case 1: kind = TopicKind::plain; model.durability = Durability::memory; settings["durability"] = "memory"; break;
    case 2: kind = TopicKind::plain; settings["retention.bytes"] = std::to_string(4096 + below(20'000)); break;
    case 3: kind = TopicKind::plain; settings["retention.ms"] = std::to_string(1 + below(10'000)); settings["segment.ms"] = std::to_string(1 + below(10'000)); break;
    default: break;
  }
  model.idempotent = one_in(2);
  if (one_in(2)) settings["segment.bytes"] = std::to_string(4096 + below(8192));
  const auto made = log_->create_topic(model.topic, kind, 1, settings);
  model.created = made.ok() && env_->alive();
  if (made) model.key = {*made, PartitionId(0)};
  models_.push_back(model);
}

// A partition more of a plain topic, with a model of its own.
void LogSimulation::add_partition() {
  if (models_.empty() || models_.size() > 8) return;
  const Model of = models_[below(models_.size())];
  const auto topic = log_->catalogue().topics.find(of.key.topic);
  if (!of.created || topic == log_->catalogue().topics.end() || topic->second.kind != TopicKind::plain) return;
  Model model{.topic = of.topic, .key = {of.key.topic, PartitionId(topic->second.partitions)}, .durability = of.durability};
  // A power cut met it before: whether it is there is found out at the next open.
  if (std::ranges::any_of(models_, [&](const Model& other) { return other.key == model.key; })) return;
  const Status made = log_->add_partitions(of.key.topic, topic->second.partitions + 1);
  model.created = made.ok() && env_->alive();
  if (!made.ok() && env_->alive() && !log_->failed() && made.error().code != Code::no_space) fail("add a partition: " + made.error().to_string());
  models_.push_back(model);
}

void LogSimulation::append_some() {
  if (models_.empty()) return;
  for (std::uint64_t i = 1 + below(5); i > 0; --i) {
    Model& model = models_[below(models_.size())];
    if (!model.created) continue;
    std::vector<std::string> values;
    const std::size_t size = one_in(4) ? 1500 + below(4000) : 1 + below(300);
    for (std::uint64_t n = one_in(5) ? 1 + below(4) : 1; n > 0; --n) {
      std::string value = model.topic + "/" + std::to_string(++values_) + "/";
      value.resize(std::max(value.size(), size), static_cast<char>('a' + values_ % 26));
      values.push_back(value);
    }
    ProducedBatch produced = next_of(model, values.size());
    const BatchHeader fields = model.idempotent ? fields_of(model, produced) : BatchHeader{};
    if (model.idempotent && !log_->failed()) {
      const auto known = log_->check_producer(model.key, fields);
      if (known && *known) return fail(model.topic + ": a new batch is taken for one that was sent again");
      if (!known && env_->alive()) return fail(model.topic + ": a batch in its order: " + known.error().to_string());
    }
    const auto staged = log_->stage(model.key, batch_of(values, log_->append_time_ms(), fields));
    if (!staged) {
      const auto code = staged.error().code;
      if (env_->alive() && !log_->failed() && code != Code::no_space) fail("stage: " + staged.error().to_string());
      continue;
    }
    if (staged->place.base_offset.value() != static_cast<std::int64_t>(model.attempted.size())) {
      return fail(model.topic + ": staged at offset " + std::to_string(staged->place.base_offset.value()) + ", expected " +
                  std::to_string(model.attempted.size()));
    }
    produced.base_offset = Offset(static_cast<std::int64_t>(model.attempted.size()));
    model.attempted.insert(model.attempted.end(), values.begin(), values.end());
    produced.last_offset = Offset(static_cast<std::int64_t>(model.attempted.size()) - 1);
    if (model.idempotent) model.produced.push_back(produced);
    if (model.idempotent && one_in(4)) check_producer(model, static_cast<std::int64_t>(model.attempted.size()));
  }
}

ProducedBatch LogSimulation::next_of(const Model& model, std::size_t records) {
  const std::int32_t first = model.produced.empty() ? 0 : model.produced.back().last_sequence + 1;
  return {.first_sequence = first, .last_sequence = first + static_cast<std::int32_t>(records) - 1, .base_offset = {}, .last_offset = {}};
}

BatchHeader LogSimulation::fields_of(const Model&, const ProducedBatch& batch) {
  BatchHeader fields;
  fields.producer_id = kProducer;
  fields.producer_epoch = 0;
  fields.base_sequence = batch.first_sequence;
  fields.last_offset_delta = batch.last_sequence - batch.first_sequence;
  return fields;
}

// F32, F33: what is sent again is recognised, and a gap is refused, whatever has happened. What retention has removed may be forgotten.
void LogSimulation::check_producer(Model& model, std::int64_t end) {
  if (!model.idempotent || log_->failed() || !env_->alive()) return;
  while (!model.produced.empty() && model.produced.back().last_offset.value() >= end) model.produced.pop_back();
  const std::int64_t start = log_->reader(model.key)->bounds().log_start.value();
  std::size_t kept = 0;
  for (auto batch = model.produced.rbegin(); batch != model.produced.rend() && kept < kProducerBatchesKept; ++batch, ++kept) {
    if (batch->base_offset.value() < start) break;
    const auto known = log_->check_producer(model.key, fields_of(model, *batch));
    if (!known) return fail(model.topic + ": a batch that was sent again: " + known.error().to_string());
    if (!*known) return fail(model.topic + ": the batch at offset " + std::to_string(batch->base_offset.value()) + " was sent again and is not known");
    if ((*known)->base_offset != batch->base_offset) return fail(model.topic + ": a batch that was sent again is said to have another offset");
  }
  if (kept == 0) return;
  ProducedBatch gap = next_of(model, 1);
  ++gap.first_sequence;
  ++gap.last_sequence;
  const auto refused = log_->check_producer(model.key, fields_of(model, gap));
  if (refused.ok() || refused.error().code != Code::out_of_order) fail(model.topic + ": a batch behind a gap is not refused");
}

void LogSimulation::flush() {
  auto job = log_->begin_flush();
  if (!job) return;
  if (one_in(3)) append_some();
  job->run();
  if (one_in(3)) append_some();
  const auto status = log_->end_flush(std::move(job));
  if (!status && env_->alive() && !sync_failed_ && world_.disk().faults.capacity_bytes == std::uint64_t{1} << 40) {
    fail("end_flush: " + status.error().to_string());
  }
  note_acknowledged();
}

// What readers can see now counts as acknowledged.
void LogSimulation::note_acknowledged() {
  if (!log_ || !env_->alive()) return;
  for (auto& model : models_) {
    if (!model.created) continue;
    const auto bounds = log_->reader(model.key)->bounds();
    const auto visible = static_cast<std::size_t>(bounds.visible.value());
    if (visible > model.attempted.size()) return fail(model.topic + ": more is visible than was attempted");
    if (!log_->failed()) model.acknowledged = std::max(model.acknowledged, visible);
    model.durable = std::max(model.durable, static_cast<std::size_t>(bounds.durable.value()));
  }
}

void LogSimulation::remove_some() {
  if (one_in(2)) {
    (void)log_->apply_retention([](const PartitionKey&, Offset) -> Result<Offset> { return Offset(0); });
  } else if (!models_.empty()) {
    Model& model = models_[below(models_.size())];
    if (!model.created || model.durable == 0 || one_in(2)) return;
    const auto to = static_cast<std::int64_t>(below(model.durable + 1));
    (void)log_->remove_before(model.key, Offset(to), [](const PartitionKey&, Offset) -> Result<Offset> { return Offset(0); });
    model.start_attempted = std::max(model.start_attempted, to);
  }
  for (auto& model : models_) {
    if (!model.created || !env_->alive()) continue;
    model.start = log_->reader(model.key)->bounds().log_start.value();
    model.start_attempted = std::max(model.start_attempted, model.start);
  }
}

void LogSimulation::step() {
  const auto what = below(100);
  if (what < 4) {
    create_topic();
  } else if (what < 5) {
    add_partition();
  } else if (what < 60) {
    append_some();
    flush();
  } else if (what < 70) {
    append_some();
  } else if (what < 75) {
    log_->checkpoint([](const Status&) {});
  } else if (what < 80) {
    world_.advance(static_cast<std::int64_t>(below(2'000'000'000)));
    (void)log_->tick();
    note_acknowledged();
  } else if (what < 85) {
    remove_some();
  } else if (what < 87) {
    world_.step_wall_ms(static_cast<std::int64_t>(below(20'000'000)) - 10'000'000);
  } else if (what < 89) {
    world_.disk().faults.capacity_bytes = std::uint64_t{1} << 40;
  } else {
    for (std::uint64_t i = below(6); i > 0; --i) (void)world_.step();
  }
}

void LogSimulation::end_life() {
  auto& disk = world_.disk();
  if (tracing()) {
    std::fprintf(stderr, "life ends: %d, alive %d, powered %d, log %d, %s\n", static_cast<int>(end_), env_->alive(), disk.powered(),
                 log_ != nullptr, log_ && log_->failed() ? log_->failure().detail.c_str() : "not failed");
    for (const auto& file : disk.files()) {
      std::fprintf(stderr, "  %s %llu, durable %llu\n", file.path.c_str(), static_cast<unsigned long long>(file.size),
                   static_cast<unsigned long long>(file.durable_size));
    }
  }
  bool power = !disk.powered();
  if (env_->alive()) {
    note_acknowledged();
    if (end_ == End::close && log_) {
      flush();
      const auto closed = log_->close();
      const bool full = disk.faults.capacity_bytes != std::uint64_t{1} << 40;
      if (!closed && env_->alive() && !sync_failed_ && !full) fail("close: " + closed.error().to_string());
      if (closed && env_->alive() && !full) {
        for (auto& model : models_) model.durable = model.acknowledged = std::max(model.acknowledged, model.attempted.size());
        power = one_in(2);
      }
    } else if (end_ == End::kill) {
      env_->kill();
    } else if (end_ == End::power || one_in(3)) {
      power = true;
      disk.cut_power();
    }
  }
  if (log_ && log_->failed()) note_failure(log_->failure());
  if (names_forgotten_ && disk.powered()) disk.cut_power();
  names_forgotten_ = false;
  power = power || !disk.powered();
  log_.reset();
  owner_.reset();
  worker_.reset();
  env_.reset();
  disk.faults = {};
  if (power) disk.restart();
  was_power_lost_ = was_power_lost_ || power;
}

std::optional<std::string> LogSimulation::read_all(const PartitionReader& reader, std::int64_t from, std::vector<std::string>& values) {
  Offset next(from);
  while (true) {
    base::Bytes bytes;
    const auto got = reader.read(next, 1 + below(20'000), bytes);
    if (!got) return got.error().to_string();
    if (!got->first) return std::nullopt;
    base::ByteView rest = bytes;
    while (!rest.empty()) {
      const auto header = check_batch(rest);
      if (!header) return header.error().to_string();
      const auto visited = for_each_record(rest.first(header->total_bytes()), {}, [&](const RecordView& record) -> Status {
        if (record.offset.value() < from) return {};
        if (record.offset.value() != from + static_cast<std::int64_t>(values.size())) return Error{Code::internal, "offsets have a gap"};
        values.emplace_back(base::as_text(*record.value));
        return {};
      });
      if (!visited) return visited.error().to_string();
      rest = rest.subspan(header->total_bytes());
    }
    next = got->next;
  }
}

void LogSimulation::check_partition(Model& model, bool power_was_lost) {
  const PartitionId partition = model.key.partition;
  const auto topic = std::ranges::find_if(log_->catalogue().topics, [&](const auto& t) {
    return t.second.name == model.topic && t.second.partitions > partition.value();
  });
  if (topic == log_->catalogue().topics.end()) return model.created ? fail(model.topic + ": the topic is gone") : void();
  model.key = {topic->first, partition};
  model.created = true;
  const auto reader = log_->reader(model.key);
  const auto bounds = reader->bounds();
  if (bounds.log_start.value() < model.start) return fail(model.topic + ": the start of the log went back");
  if (bounds.log_start.value() > std::max(model.start_attempted, model.start) && topic->second.settings.count("retention.bytes") + topic->second.settings.count("retention.ms") == 0) {
    return fail(model.topic + ": more was removed than was asked for");
  }
  model.start = bounds.log_start.value();
  std::vector<std::string> values;
  if (const auto error = read_all(*reader, model.start, values)) {
    if (tracing()) {
      const std::string name = error->substr(error->find("topics"), error->find(".log") + 4 - error->find("topics"));
      const auto bytes = *world_.disk().read(std::string(kDirectory) + "/" + name);
      base::ByteView rest = bytes;
      while (true) {
        const auto header = check_batch(rest);
        std::fprintf(stderr, "at %zu: %s\n", bytes.size() - rest.size(), header ? "ok" : header.error().to_string().c_str());
        if (!header) break;
        std::fprintf(stderr, "   base %ld epoch %d\n", header->base_offset.value(), header->epoch.value());
        rest = rest.subspan(header->total_bytes());
      }
    }
    return fail(model.topic + " (" + std::to_string(static_cast<int>(model.durability)) + "): " + *error);
  }
  const auto end = static_cast<std::size_t>(model.start) + values.size();
  std::size_t least = model.acknowledged;
  if (power_was_lost && model.durability == Durability::interval) least = model.durable;
  if (power_was_lost && model.durability == Durability::memory) least = 0;
  if (end < least) {
    return fail(model.topic + ": " + std::to_string(least) + " records were acknowledged, and " + std::to_string(end) + " are there");
  }
  if (end > model.attempted.size() && end > static_cast<std::size_t>(model.start)) return fail(model.topic + ": records from nowhere");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != model.attempted[static_cast<std::size_t>(model.start) + i]) {
      return fail(model.topic + ": offset " + std::to_string(model.start + static_cast<std::int64_t>(i)) + " has another value");
    }
  }
  check_producer(model, static_cast<std::int64_t>(end));
  model.attempted.resize(end, "removed");
  model.acknowledged = end;
  model.durable = model.durability == Durability::memory ? 0 : end;
}

void LogSimulation::check_recovered() {
  if (!env_->alive()) return;
  for (auto& model : models_) check_partition(model, was_power_lost_);
  was_power_lost_ = false;
}

std::string LogSimulation::run() {
  for (int life = 0; life < options_.lives && failure_.empty(); ++life) {
    sync_failed_ = false;
    end_ = End::drop;
    if (open_log()) {
      check_recovered();
      plan_end();
      if (models_.empty()) create_topic();
      for (int i = 0; i < options_.steps && failure_.empty() && env_->alive() && !log_->failed(); ++i) step();
    }
    if (failure_.empty()) end_life();
  }
  if (!failure_.empty()) return failure_;
  // Once more, with nothing going wrong.
  sync_failed_ = false;
  env_ = std::make_unique<os::SimEnv>(world_);
  owner_ = env_->make_executor("owner");
  worker_ = env_->make_executor("worker");
  auto opened = Log::open(*env_, kDirectory, log_options(), *owner_, *worker_);
  if (!opened && tracing())
    for (const auto& file : world_.disk().files()) std::fprintf(stderr, "  last %s %lu, durable %lu\n", file.path.c_str(), file.size, file.durable_size);
  if (!opened) return "seed " + std::to_string(options_.seed) + ": the last open: " + opened.error().to_string();
  log_ = std::move(*opened);
  check_recovered();
  append_some();
  while (log_->has_staged()) flush();
  while (world_.step()) {
  }
  world_.advance(1'000'000'000);
  (void)log_->tick();
  note_acknowledged();
  if (log_->failed()) fail("the log failed without a reason: " + log_->failure().detail);
  if (const std::string damage = find_damage(); !damage.empty()) fail("verify: " + damage);
  return failure_;
}

std::string LogSimulation::run_with_damage() {
  if (auto failed = run(); !failed.empty()) return failed;
  const bool closed = one_in(2);
  if (closed && !log_->close()) return "close failed";
  end_ = closed ? End::drop : End::kill;
  log_.reset();
  owner_.reset();
  worker_.reset();
  env_.reset();
  std::vector<os::SimDisk::FileInfo> files;
  for (const auto& file : world_.disk().files()) {
    const bool derived = file.path.ends_with("live") || file.path.ends_with("LOCK") || file.path.ends_with("spare");
    if (!derived && file.durable_size > 0) files.push_back(file);
  }
  const auto& file = files[below(files.size())];
  const std::uint64_t at = below(file.durable_size);
  world_.disk().flip_bit(file.path, at, static_cast<unsigned>(below(8)));
  const std::string damage = "seed " + std::to_string(options_.seed) + ": damaged " + file.path + " at " + std::to_string(at) + ": ";
  env_ = std::make_unique<os::SimEnv>(world_);
  owner_ = env_->make_executor("owner");
  worker_ = env_->make_executor("worker");
  const auto report = verify(*env_, kDirectory, std::nullopt, [](std::uint64_t, std::uint64_t) {});
  const bool reported = !report || !report->findings.empty();
  auto opened = Log::open(*env_, kDirectory, log_options(), *owner_, *worker_);
  if (!opened) {
    const auto code = opened.error().code;
    if (code != Code::corrupt && code != Code::unsupported_format) return damage + opened.error().to_string();
    return reported ? "" : damage + "verify has not found it, and open has: " + opened.error().to_string();
  }
  log_ = std::move(*opened);
  for (const auto& model : models_) {
    const auto reader = log_->reader(model.key);
    if (!reader && !model.created) continue;
    if (!reader) return damage + model.topic + " is gone";
    const auto start = reader->bounds().log_start.value();
    std::vector<std::string> values;
    const auto error = read_all(*reader, start, values);
    if (error && error->starts_with("corrupt") && !reported) return damage + "verify has not found it, and a read has: " + *error;
    if (error && error->starts_with("corrupt")) continue;
    if (error) return damage + *error;
    if (model.durability == Durability::memory && !closed) continue;  // its tail is what parses
    if (static_cast<std::size_t>(start) + values.size() < model.acknowledged) return damage + model.topic + ": records are missing, silently";
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] != model.attempted[static_cast<std::size_t>(start) + i]) return damage + model.topic + ": a wrong value was read";
    }
  }
  return "";
}

}  // namespace baton::log
