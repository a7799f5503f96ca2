#include "store/store_harness.h"

#include <algorithm>

#include "base/try.h"
#include "log/batch.h"
#include "store/partitioner.h"
#include "store/store_impl.h"

namespace baton::store::testing {
namespace {

bool is_end(Code code) {
  return code == Code::store_failed || code == Code::cancelled || code == Code::io_error || code == Code::unavailable;
}

std::string text(std::int64_t n) { return std::to_string(n); }

base::Bytes make_batch(const Operation& operation) {
  log::BatchBuilder builder;
  for (const StreamAppend& part : operation.append.streams) {
    builder.add(1'000'000, base::as_bytes(part.stream), base::as_bytes(part.events.front().data), {});
  }
  log::BatchHeader header;
  header.producer_id = operation.produced.producer_id;
  header.producer_epoch = operation.produced.producer_epoch;
  header.base_sequence = operation.produced.base_sequence;
  return std::move(builder.finish(-1, header)).value();
}

}  // namespace

StoreHarness::StoreHarness(std::uint64_t seed, Options options)
    : world_(os::SimOptions{.seed = seed}), random_(seed * 7919 + 1), options_(std::move(options)) {
  options_.on_fatal = [this](const Error&) { ++fatal_; };
  options_.on_warning = [this](const std::string& text) {
    if (text.find("cannot be used and is built again") != std::string::npos && !index_damaged_) complain("nothing had damaged it: " + text);
  };
  add_topic("rides", false, 1);
  add_topic("fleet", false, 3);
  add_topic("metrics", true, 2);
}

StoreHarness::~StoreHarness() {
  store_ = nullptr;
  env_ = nullptr;
}

void StoreHarness::add_topic(const std::string& name, bool plain, std::size_t partitions) {
  topics_.push_back({.name = name, .plain = plain, .partitions = partitions, .first = tracks_.size()});
  for (std::size_t i = 0; i < partitions; ++i) {
    tracks_.emplace_back(random_, Place{.topic = name, .plain = plain, .partition = static_cast<std::int32_t>(i), .partitions = static_cast<std::int32_t>(partitions)});
  }
}

void StoreHarness::complain(const std::string& what) {
  if (problem_.empty()) problem_ = what;
}

// A fault may strike while we read: then nothing is wrong with the answers.
void StoreHarness::read_failed(const std::string& what, const Error& error) {
  if (alive() && !is_end(error.code)) complain(what + ": " + error.to_string());
  store_failed_ = true;
}

void StoreHarness::allow_loss() {
  for (Track& track : tracks_) track.acknowledged = 0;
}

bool StoreHarness::open() {
  env_ = std::make_unique<os::SimEnv>(world_);
  store_failed_ = false;
  fatal_ = 0;
  const std::string damage = find_damage();
  Pipelining pipelining{.always_beside = random_.chance(600)};
  if (random_.chance(400)) pipelining.decided_at_once = 1 + random_.below(4);
  if (random_.chance(500)) pipelining.indexes_together = 1 + random_.below(2);
  auto core = StoreCore::open(*env_, directory_, options_, pipelining);
  core_ = core ? core->get() : nullptr;
  auto opened = core ? StoreImpl::make(nullptr, *std::move(core)) : std::move(core).error();
  if (!opened) {
    if (env_->alive() && !is_end(opened.error().code)) complain("open: " + opened.error().to_string());
    env_ = nullptr;
    return false;
  }
  store_ = *std::move(opened);
  if (!damage.empty() && !index_damaged_) complain("verify, before an open that found nothing: " + damage);
  compare_recovered();
  make_topics();
  if (problem_.empty() && alive()) verify_producers();
  return alive();
}

void StoreHarness::close() {
  const Status closed = store_->close();
  if (!closed && env_->alive() && !is_end(closed.error().code)) complain("close: " + closed.error().to_string());
  end();
}

void StoreHarness::end() {
  if (env_ != nullptr) env_->kill();
  store_ = nullptr;
  env_ = nullptr;
  // What was not answered may have happened, in order.
  for (const Pending& pending : std::exchange(pending_, {})) (void)apply(*pending.track, pending.operation);
}

void StoreHarness::make_topics() {
  for (Topic& topic : topics_) {
    if (topic.there || !alive() || store_failed_ || random_.chance(500)) continue;
    const auto partitions = static_cast<std::int32_t>(topic.partitions);
    const Status made = topic.plain ? core_->run([&]() -> Status {
      BATON_TRY_ASSIGN(const log::TopicId id, core_->create_topic(topic.name, partitions, {}));
      (void)id;
      return {};
    })
                                    : store_->create_context(topic.name, {.partitions = partitions});
    if (!made && made.error().code == Code::no_space && may_refuse_no_space_) continue;
    if (!made) return read_failed("a topic could not be made", made.error());
    topic.there = true;
  }
}

StoreHarness::Track& StoreHarness::choose_track() {
  if (random_.chance(600)) return tracks_.front();
  const Topic& topic = topics_[random_.below(topics_.size())];
  return topic.there ? track(topic, random_.below(topic.partitions)) : tracks_.front();
}

// An append goes where its first stream lies.
StoreHarness::Track& StoreHarness::track_of(const Operation& operation, Track& chosen) {
  if (operation.kind == Operation::Kind::produce || chosen.place.partitions == 1) return chosen;
  const std::string& stream = operation.append.streams.front().stream;
  return *std::ranges::find_if(tracks_, [&](const Track& track) { return track.place.topic == chosen.place.topic && track.place.has(stream); });
}

void StoreHarness::work(std::size_t operations) {
  const bool hurried = random_.chance(600);  // requests come while others are on their way to the disk
  for (std::size_t i = 0; i < operations && alive() && !store_failed_ && problem_.empty(); ++i) {
    Track& chosen = choose_track();
    const bool there = &chosen != &tracks_.front() || topics_.front().there || !chosen.model.log().empty();
    Operation operation = chosen.operations.next(chosen.model, pending_.empty(), there);
    Track& track = track_of(operation, chosen);
    if (operation.append.unless && track.place.partitions == 1) {
      auto& after = operation.unless_after;
      after = std::min<std::int64_t>(after, static_cast<std::int64_t>(track.tokens.size()) - 1);
      while (after >= 0 && track.tokens[static_cast<std::size_t>(after)].empty()) --after;
      if (after >= 0) operation.append.unless->after.token = track.tokens[static_cast<std::size_t>(after)];
    }
    if (operation.kind == Operation::Kind::delete_stream || operation.kind == Operation::Kind::truncate_stream) {
      run_blocking(track, std::move(operation));
    } else {
      submit(track, std::move(operation));
      if (random_.chance(hurried ? 10 : 500)) world_.run_until_idle();
      for (std::uint64_t steps = hurried ? random_.below(3) : 0; steps > 0 && alive(); --steps) (void)world_.step();
      if (random_.chance(30)) world_.run_for(static_cast<std::int64_t>(random_.below(2'000'000'000)));
    }
  }
  if (alive()) (void)world_.run_until([&] { return pending_.empty() || !alive(); }, 200'000);
  if (alive() && !pending_.empty() && !store_failed_) complain("an append was never answered");
  if (fatal_ > 1) complain("on_fatal was called more than once");
}

std::optional<StoreHarness::Pending> StoreHarness::take_answered(const Status& status) {
  if (!env_ || !env_->alive()) return std::nullopt;
  if (!status && is_end(status.error().code)) {
    store_failed_ = true;
    return std::nullopt;
  }
  Pending pending = std::move(pending_.front());
  pending_.pop_front();
  return pending;
}

void StoreHarness::submit(Track& track, Operation operation) {
  const Operation& made = pending_.emplace_back(std::move(operation), &track).operation;
  if (track.place.plain) return submit_batch(track, made);
  if (made.kind == Operation::Kind::produce) return submit_produced(track, made);
  store_->append_async(made.append, [this](Result<Appended> result) {
    const auto pending = take_answered(result ? Status() : Status(result.error()));
    if (pending) answered(*pending->track, pending->operation, result);
  });
}

void StoreHarness::submit_produced(const Track& track, const Operation& operation) {
  auto request = std::make_unique<ProducedRequest>();
  request->append = operation.append;
  request->append.context = track.place.topic;
  request->produced = operation.produced;
  request->done = [this](const ProducedReply& reply) {
    const auto pending = take_answered(reply.status);
    if (pending) answered_produced(*pending->track, pending->operation, reply);
  };
  core_->submit(std::move(request));
}

// The second partition's batches get the append time, the first one's keep their own.
void StoreHarness::submit_batch(const Track& track, const Operation& operation) {
  auto request = std::make_unique<BatchRequest>();
  request->partition = {core_->view()->find_topic(track.place.topic)->id, operation.produced.partition};
  request->batch = make_batch(operation);
  request->append_time = track.place.partition == 1;
  request->done = [this](Result<BatchAppended> result) {
    ProducedReply reply;
    if (result) {
      reply.batch = *result;
    } else {
      reply.status = result.error();
    }
    const auto pending = take_answered(reply.status);
    if (pending) answered_produced(*pending->track, pending->operation, reply);
  };
  core_->submit(std::move(request));
}

void StoreHarness::run_blocking(Track& track, Operation operation) {
  const StreamAppend& given = operation.append.streams.front();
  // Everything before it is decided first.
  auto position = operation.kind == Operation::Kind::delete_stream
                      ? store_->delete_stream(track.place.topic, given.stream, given.condition)
                      : store_->truncate_stream(track.place.topic, given.stream, operation.before_version, given.condition);
  if (!alive() || (!position && is_end(position.error().code))) {
    store_failed_ = store_failed_ || alive();
    pending_.push_back({std::move(operation), &track});
    return;
  }
  if (!pending_.empty()) return complain("an append was answered after one that was made later");
  if (!position) return answered(track, operation, position.error());
  Appended told;
  told.position = *position;
  answered(track, operation, std::move(told));
}

Model::Answer StoreHarness::apply(Track& track, const Operation& operation) {
  const std::size_t before = track.model.log().size();
  Model::Answer expected = track.model.apply(operation);
  const std::size_t end = track.model.log().size();
  if (end > before) order_.push_back({&track, end});
  track.tokens.resize(end);
  return expected;
}

void StoreHarness::answered(Track& track, const Operation& operation, const Result<Appended>& result) {
  if (!result && result.error().code == Code::no_space && may_refuse_no_space_) return;
  if (!result && result.error().code == Code::not_found && operation.kind != Operation::Kind::append && track.model.log().empty()) {
    return;  // there is no context yet
  }
  const Model::Answer expected = apply(track, operation);
  if (result.ok() != !expected.refused) {
    return complain(result ? "accepted, expected " + std::string(code_name(*expected.refused))
                           : "refused: " + result.error().to_string() +
                                 (expected.refused ? ", expected " + std::string(code_name(*expected.refused)) : ""));
  }
  if (!result) {
    if (result.error().code != *expected.refused) {
      complain("refused: " + result.error().to_string() + ", expected " + std::string(code_name(*expected.refused)));
    }
    return;
  }
  compare(track, operation, expected, *result);
}

void StoreHarness::compare(Track& track, const Operation& operation, const Model::Answer& expected, const Appended& told) {
  const auto last = static_cast<std::size_t>(*std::ranges::max_element(expected.offsets));
  track.acknowledged = std::max(track.acknowledged, last + 1);
  if (operation.kind != Operation::Kind::append) {
    track.tokens[last] = told.position.token;
    return;
  }
  if (told.events.size() != expected.offsets.size()) return complain("an answer with another number of events");
  for (std::size_t i = 0; i < told.events.size(); ++i) {
    const auto offset = static_cast<std::size_t>(expected.offsets[i]);
    Model::Entry& entry = track.model.log()[offset];
    const AppendedEvent& event = told.events[i];
    if (event.offset != expected.offsets[i] || event.version != entry.version || event.duplicate != expected.duplicate[i]) {
      complain("event " + text(static_cast<std::int64_t>(i)) + ": told offset " + text(event.offset) + " version " + text(event.version) +
               (event.duplicate ? " duplicate" : "") + ", expected offset " + text(expected.offsets[i]) + " version " + text(entry.version));
    }
    if (entry.id.empty()) entry.id = event.id;
    if (event.id != entry.id) complain("an id changed");
    if (track.tokens[offset].empty()) track.tokens[offset] = event.position.token;
    if (track.tokens[offset] != event.position.token) complain("a position changed: " + track.tokens[offset] + ", " + event.position.token);
  }
  if (told.position.token != track.tokens[last]) complain("the position of an append is not its last event's");
}

void StoreHarness::answered_produced(Track& track, const Operation& operation, const ProducedReply& reply) {
  if (!reply.status && reply.status.error().code == Code::no_space && may_refuse_no_space_) return;
  const Model::Answer expected = apply(track, operation);
  const std::string told = reply.status ? "taken" : "refused: " + reply.status.error().to_string();
  if (reply.status.ok() == expected.refused.has_value() || (expected.refused && reply.status.error().code != *expected.refused)) {
    return complain("a producer's batch is " + told + ", expected " + (expected.refused ? std::string(code_name(*expected.refused)) : "that it is taken"));
  }
  if (reply.status) return compare_produced(track, operation, expected, reply.batch);
  const bool right = reply.event ? std::ranges::find(expected.blamed, *reply.event) != expected.blamed.end() : expected.blamed.empty();
  if (!right) complain("a producer's batch is " + told + ", and the event that it names is wrong");
}

void StoreHarness::compare_produced(Track& track, const Operation& operation, const Model::Answer& expected, const BatchAppended& told) {
  track.acknowledged = std::max(track.acknowledged, static_cast<std::size_t>(expected.end));
  if (told.base_offset.value() != expected.base || told.duplicate != expected.again || told.log_start != log::Offset(0)) {
    return complain("a producer's batch: told offset " + text(told.base_offset.value()) + (told.duplicate ? " duplicate" : "") + ", expected offset " +
                    text(expected.base) + (expected.again ? " duplicate" : ""));
  }
  Model::Batch* const batch = operation.produced.producer_id < 0 ? nullptr : track.model.batch_at(expected.base);
  const bool own_times = track.place.plain && track.place.partition != 1;
  if (batch == nullptr || own_times) return;
  if (batch->append_ms >= 0 && batch->append_ms != told.append_ms) complain("the append time of a producer's batch changed: " + text(batch->append_ms) + ", " + text(told.append_ms));
  batch->append_ms = told.append_ms;
  if (told.append_ms < 0) complain("a producer's batch without an append time");
}

}  // namespace baton::store::testing
