#include "store/store_harness.h"

#include <algorithm>
#include <set>

#include "store/store_impl.h"

namespace baton::store::testing {
namespace {

bool is_end(Code code) {
  return code == Code::store_failed || code == Code::cancelled || code == Code::io_error || code == Code::unavailable;
}

std::string text(std::int64_t n) { return std::to_string(n); }

}  // namespace

StoreHarness::StoreHarness(std::uint64_t seed, Options options)
    : world_(os::SimOptions{.seed = seed}), random_(seed * 7919 + 1), options_(std::move(options)) {
  options_.on_fatal = [this](const Error&) { ++fatal_; };
}

StoreHarness::~StoreHarness() {
  store_ = nullptr;
  env_ = nullptr;
}

void StoreHarness::complain(const std::string& what) {
  if (problem_.empty()) problem_ = what;
}

// A fault may strike while we read: then nothing is wrong with the answers.
void StoreHarness::read_failed(const std::string& what, const Error& error) {
  if (alive() && !is_end(error.code)) complain(what + ": " + error.to_string());
  store_failed_ = true;
}

bool StoreHarness::open() {
  env_ = std::make_unique<os::SimEnv>(world_);
  store_failed_ = false;
  fatal_ = 0;
  auto core = StoreCore::open(*env_, "/data", options_);
  core_ = core ? core->get() : nullptr;
  auto opened = core ? StoreImpl::make(nullptr, *std::move(core)) : std::move(core).error();
  if (!opened) {
    if (env_->alive() && !is_end(opened.error().code)) complain("open: " + opened.error().to_string());
    env_ = nullptr;
    return false;
  }
  store_ = *std::move(opened);
  compare_recovered();
  look_for_context();
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
  for (const Pending& pending : std::exchange(pending_, {})) (void)model_.apply(pending.operation);
  tokens_.resize(model_.log().size());
}

void StoreHarness::work(std::size_t operations) {
  for (std::size_t i = 0; i < operations && alive() && !store_failed_ && problem_.empty(); ++i) {
    Operation operation = operations_.next(model_, pending_.empty(), has_context_ || !model_.log().empty());
    if (operation.append.unless) {
      auto& after = operation.unless_after;
      after = std::min<std::int64_t>(after, static_cast<std::int64_t>(tokens_.size()) - 1);
      while (after >= 0 && tokens_[static_cast<std::size_t>(after)].empty()) --after;
      if (after >= 0) operation.append.unless->after.token = tokens_[static_cast<std::size_t>(after)];
    }
    if (operation.kind == Operation::Kind::delete_stream || operation.kind == Operation::Kind::truncate_stream) {
      run_blocking(std::move(operation));
    } else {
      submit(std::move(operation));
      if (random_.chance(500)) world_.run_until_idle();
      if (random_.chance(30)) world_.run_for(static_cast<std::int64_t>(random_.below(2'000'000'000)));
    }
  }
  if (alive()) (void)world_.run_until([&] { return pending_.empty() || !alive(); }, 200'000);
  if (alive() && !pending_.empty() && !store_failed_) complain("an append was never answered");
  if (fatal_ > 1) complain("on_fatal was called more than once");
}

std::optional<Operation> StoreHarness::take_answered(const Status& status) {
  if (!env_ || !env_->alive()) return std::nullopt;
  if (!status && is_end(status.error().code)) {
    store_failed_ = true;
    return std::nullopt;
  }
  Operation operation = std::move(pending_.front().operation);
  pending_.pop_front();
  return operation;
}

void StoreHarness::submit(Operation operation) {
  const Operation& made = pending_.emplace_back(std::move(operation)).operation;
  if (made.kind == Operation::Kind::produce) return submit_produced(made);
  store_->append_async(made.append, [this](Result<Appended> result) {
    const auto operation = take_answered(result ? Status() : Status(result.error()));
    if (operation) answered(*operation, result);
  });
}

void StoreHarness::submit_produced(const Operation& operation) {
  auto request = std::make_unique<ProducedRequest>();
  request->append = operation.append;
  request->produced = operation.produced;
  request->done = [this](const ProducedReply& reply) {
    const auto operation = take_answered(reply.status);
    if (operation) answered_produced(*operation, reply);
  };
  core_->submit(std::move(request));
}

void StoreHarness::run_blocking(Operation operation) {
  const StreamAppend& given = operation.append.streams.front();
  // Everything before it is decided first.
  auto position = operation.kind == Operation::Kind::delete_stream
                      ? store_->delete_stream("rides", given.stream, given.condition)
                      : store_->truncate_stream("rides", given.stream, operation.before_version, given.condition);
  if (!alive() || (!position && is_end(position.error().code))) {
    store_failed_ = store_failed_ || alive();
    pending_.push_back({std::move(operation)});
    return;
  }
  if (!pending_.empty()) return complain("an append was answered after one that was made later");
  if (!position) return answered(operation, position.error());
  Appended told;
  told.position = *position;
  answered(operation, std::move(told));
}

void StoreHarness::answered(const Operation& operation, const Result<Appended>& result) {
  if (!result && result.error().code == Code::no_space && may_refuse_no_space_) return;
  if (!result && result.error().code == Code::not_found && operation.kind != Operation::Kind::append && model_.log().empty()) {
    return;  // there is no context yet
  }
  const Model::Answer expected = model_.apply(operation);
  tokens_.resize(model_.log().size());
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
  compare(operation, expected, *result);
}

void StoreHarness::compare(const Operation& operation, const Model::Answer& expected, const Appended& told) {
  const auto last = static_cast<std::size_t>(*std::ranges::max_element(expected.offsets));
  acknowledged_ = std::max(acknowledged_, last + 1);
  if (operation.kind != Operation::Kind::append) {
    tokens_[last] = told.position.token;
    return;
  }
  if (told.events.size() != expected.offsets.size()) return complain("an answer with another number of events");
  for (std::size_t i = 0; i < told.events.size(); ++i) {
    const auto offset = static_cast<std::size_t>(expected.offsets[i]);
    Model::Entry& entry = model_.log()[offset];
    const AppendedEvent& event = told.events[i];
    if (event.offset != expected.offsets[i] || event.version != entry.version || event.duplicate != expected.duplicate[i]) {
      complain("event " + text(static_cast<std::int64_t>(i)) + ": told offset " + text(event.offset) + " version " + text(event.version) +
               (event.duplicate ? " duplicate" : "") + ", expected offset " + text(expected.offsets[i]) + " version " + text(entry.version));
    }
    if (entry.id.empty()) entry.id = event.id;
    if (event.id != entry.id) complain("an id changed");
    if (tokens_[offset].empty()) tokens_[offset] = event.position.token;
    if (tokens_[offset] != event.position.token) complain("a position changed: " + tokens_[offset] + ", " + event.position.token);
  }
  if (told.position.token != tokens_[last]) complain("the position of an append is not its last event's");
}

void StoreHarness::answered_produced(const Operation& operation, const ProducedReply& reply) {
  if (!reply.status && reply.status.error().code == Code::no_space && may_refuse_no_space_) return;
  const Model::Answer expected = model_.apply(operation);
  tokens_.resize(model_.log().size());
  const std::string told = reply.status ? "taken" : "refused: " + reply.status.error().to_string();
  if (reply.status.ok() == expected.refused.has_value() || (expected.refused && reply.status.error().code != *expected.refused)) {
    return complain("a producer's batch is " + told + ", expected " + (expected.refused ? std::string(code_name(*expected.refused)) : "that it is taken"));
  }
  if (reply.status) return compare_produced(operation, expected, reply.batch);
  const bool right = reply.event ? std::ranges::find(expected.blamed, *reply.event) != expected.blamed.end() : expected.blamed.empty();
  if (!right) complain("a producer's batch is " + told + ", and the event that it names is wrong");
}

void StoreHarness::compare_produced(const Operation& operation, const Model::Answer& expected, const BatchAppended& told) {
  acknowledged_ = std::max(acknowledged_, static_cast<std::size_t>(expected.end));
  if (told.base_offset.value() != expected.base || told.duplicate != expected.again || told.log_start != log::Offset(0)) {
    return complain("a producer's batch: told offset " + text(told.base_offset.value()) + (told.duplicate ? " duplicate" : "") + ", expected offset " +
                    text(expected.base) + (expected.again ? " duplicate" : ""));
  }
  Model::Batch* const batch = operation.produced.producer_id < 0 ? nullptr : model_.batch_at(expected.base);
  if (batch == nullptr) return;
  if (batch->append_ms >= 0 && batch->append_ms != told.append_ms) complain("the append time of a producer's batch changed: " + text(batch->append_ms) + ", " + text(told.append_ms));
  batch->append_ms = told.append_ms;
  if (told.append_ms < 0) complain("a producer's batch without an append time");
}

void StoreHarness::compare_event(const Event& event, Model::Entry& entry, std::size_t offset) {
  std::vector<std::string> tags = event.tags;
  std::ranges::sort(tags);
  if (entry.id.empty()) entry.id = event.id;
  const bool equal = event.stream == entry.stream && event.version == entry.version && event.data == entry.data &&
                     event.id == entry.id && (event.source == entry.source || !entry.is_event()) && event.system == entry.system && event.truncated_before == entry.truncated_before &&
                     tags == entry.tags && (entry.system.empty() ? event.type == entry.type : true) &&
                     event.offset == static_cast<std::int64_t>(offset);
  if (!equal) {
    complain("offset " + text(static_cast<std::int64_t>(offset)) + " holds " + event.stream + " version " + text(event.version) + " id " +
             event.id + ", expected " + entry.stream + " version " + text(entry.version) + " id " + entry.id);
  }
}

// Events in their places and gaps in between, up to where the context ends.
std::optional<std::size_t> StoreHarness::compare_offsets() {
  std::size_t next = 0;
  const auto pass_gaps = [&](std::size_t until) {
    for (; next < until && next < model_.log().size(); ++next) {
      if (!model_.log()[next].gap) complain("offset " + text(static_cast<std::int64_t>(next)) + " holds nothing, expected id " + model_.log()[next].id);
    }
  };
  ReadContext request{.context = "rides", .limit = 1 + random_.below(200)};
  while (true) {
    const auto page = store_->read_context(request);
    if (!page) {
      if (page.error().code == Code::not_found && acknowledged_ == 0) return 0;
      read_failed("read of all", page.error());
      return std::nullopt;
    }
    for (const Event& event : page->events) {
      const auto offset = static_cast<std::size_t>(event.offset);
      pass_gaps(offset);
      if (offset != next || offset >= model_.log().size() || model_.log()[offset].gap) {
        complain("an event that was never appended: " + event.id + " at offset " + text(event.offset));
        return std::nullopt;
      }
      compare_event(event, model_.log()[offset], offset);
      if (!tokens_[offset].empty() && tokens_[offset] != event.position.token) complain("a position changed");
      tokens_[offset] = event.position.token;
      next = offset + 1;
    }
    if (page->at_end) break;
    request.after = page->next;
  }
  const auto context = store_->context("rides");
  if (!context) {
    read_failed("context", context.error());
    return std::nullopt;
  }
  const auto end = static_cast<std::size_t>(context->events);
  pass_gaps(end);
  if (next != end) complain("the context ends at " + text(context->events) + ", its last event lies before " + text(static_cast<std::int64_t>(next)));
  return problem_.empty() ? std::optional(end) : std::nullopt;
}

// After an open: what is there is a prefix of what was attempted, on the boundary of an append, and holds all that was acknowledged.
void StoreHarness::compare_recovered() {
  const auto found = compare_offsets();
  if (!found && alive()) complain("what is there cannot be read after an open");
  if (!found || !alive()) return;
  const std::size_t count = *found;
  if (count < acknowledged_) return complain(text(static_cast<std::int64_t>(count)) + " events are there, " + text(static_cast<std::int64_t>(acknowledged_)) + " were acknowledged");
  if (!model_.is_boundary(count)) return complain("a part of an append is there (F5)");
  // A position of what was lost must be refused, never misread.
  for (std::size_t lost = count; lost < tokens_.size(); ++lost) {
    if (tokens_[lost].empty() || count == 0) continue;
    const auto rank = store_->rank("rides", Position{tokens_[lost]});
    if (rank || rank.error().code != Code::position_lost) complain("a position of a lost event is not refused");
  }
  model_.cut(count);
  tokens_.resize(count);
  acknowledged_ = count;
}

void StoreHarness::look_for_context() {
  if (!alive() || store_failed_) return;
  has_context_ = store_->context("rides").ok();
  if (has_context_ || random_.chance(500)) return;
  const Status made = store_->create_context("rides", {});
  if (!made) return read_failed("create_context", made.error());
  has_context_ = true;
}

void StoreHarness::verify() {
  if (model_.log().empty() || !problem_.empty()) return;
  verify_producers();
  if (!store_failed_) verify_end();
  if (!store_failed_ && problem_.empty()) verify_streams();
  if (!store_failed_) verify_context();
  if (!store_failed_) verify_subscription();
}

void StoreHarness::verify_producers() {
  const std::size_t before = model_.log().size();
  for (const std::int64_t id : model_.producers()) {
    const std::vector<Model::Batch> known = model_.batches_of(id);
    // Only the sequence says that it is the same batch.
    for (const Model::Batch& batch : known) submit(operations_.batch(batch.by, static_cast<std::size_t>(batch.end - batch.base)));
    Produced missing = known.back().by;
    missing.base_sequence = static_cast<std::int32_t>((std::int64_t{known.back().last_sequence} + 3) & INT32_MAX);
    submit(operations_.batch(missing, 1));
    Produced old = known.back().by;
    if (old.producer_epoch-- > 0) submit(operations_.batch(old, 1));
  }
  (void)world_.run_until([&] { return pending_.empty() || store_failed_ || !alive(); }, 200'000);
  if (!alive() || store_failed_) return;
  if (!pending_.empty()) return complain("a batch that was sent again was never answered");
  if (model_.log().size() != before) complain("the model takes a batch that is sent again");
}

void StoreHarness::verify_end() {
  const auto count = compare_offsets();
  if (!count) return;
  const std::size_t end = model_.log().size();
  if (*count != end) return complain(text(static_cast<std::int64_t>(*count)) + " offsets are in use, expected " + text(static_cast<std::int64_t>(end)));
  const auto context = store_->context("rides");
  if (!context) return read_failed("context", context.error());
  std::string& last = tokens_[end - 1];
  if (last.empty()) last = context->end.token;
  if (last != context->end.token) complain("the end of the context is " + context->end.token + ", the position of its last offset is " + last);
  const auto rank = store_->rank("rides", context->end);
  if (!rank) return read_failed("rank", rank.error());
  if (*rank != static_cast<std::int64_t>(end)) complain("the end of the context has rank " + text(*rank));
}

void StoreHarness::verify_streams() {
  const auto heads = model_.heads();
  const auto end = model_.log().size();
  for (const auto& [name, head] : heads) {
    const std::vector<std::int64_t> expected = model_.stream(name, end);
    for (const bool backward : {false, true}) {
      std::vector<std::int64_t> seen;
      ReadStream request{.context = "rides", .stream = name, .backward = backward, .limit = 1 + random_.below(8)};
      while (true) {
        const auto page = store_->read_stream(request);
        if (!page) return read_failed("read_stream", page.error());
        if (page->last_version != head.last_version || page->deleted != head.deleted) complain("the head of " + name + " is wrong");
        for (const Event& event : page->events) seen.push_back(event.offset);
        if (!page->next_version) break;
        request.from_version = *page->next_version;
      }
      if (backward) std::ranges::reverse(seen);
      if (seen != expected) complain("stream " + name + (backward ? " backward" : "") + " has " + text(static_cast<std::int64_t>(seen.size())) + " events, expected " + text(static_cast<std::int64_t>(expected.size())));
    }
    std::size_t past = random_.below(end);
    while (past > 0 && tokens_[past].empty()) --past;  // most gaps have none
    const auto page = store_->read_stream({.context = "rides", .stream = name, .as_of = {.position = Position{tokens_[past]}}});
    if (!page) return read_failed("as of", page.error());
    std::vector<std::int64_t> seen;
    for (const Event& event : page->events) seen.push_back(event.offset);
    if (seen != model_.stream(name, past + 1)) complain("stream " + name + " as of offset " + text(static_cast<std::int64_t>(past)) + " is wrong");
  }
  std::set<std::string> listed;
  std::string after;
  do {
    auto page = store_->streams("rides", "", after, 3);
    if (!page && page.error().code == Code::unavailable) {  // damage was found, and the index is made again
      world_.run_until_idle();
      page = store_->streams("rides", "", after, 3);
    }
    if (!page) return read_failed("streams", page.error());
    for (const auto& head : page->streams) {
      const auto expected = heads.find(head.stream);
      if (expected == heads.end() || expected->second.last_version != head.last_version || expected->second.deleted != head.deleted) {
        complain("stream " + head.stream + " is listed wrongly");
      }
      if (!listed.insert(head.stream).second) complain("stream " + head.stream + " is listed twice");
    }
    after = page->next;
  } while (!after.empty());
  if (listed.size() != heads.size()) complain("not all streams are listed");
  const auto info = store_->info();
  if (!info) return read_failed("info", info.error());
  if (info->streams != static_cast<std::int64_t>(heads.size())) complain("info counts " + text(info->streams) + " streams of " + text(static_cast<std::int64_t>(heads.size())));
  if (info->events != static_cast<std::int64_t>(end)) complain("info counts the events wrongly");
}

void StoreHarness::verify_context() {
  for (const bool backward : {false, true}) {
    if (store_failed_) return;
    verify_filter({.types = {"A"}}, backward);
    verify_filter({.types = {"B", "rides.C"}, .tags = {"t:2"}}, backward);
    verify_filter({.tags = {"t:1", "t:3"}}, backward);
    verify_filter({.category = "bike"}, backward);
  }
}

void StoreHarness::verify_subscription() {
  const auto subscription = store_->subscribe({.context = "rides", .live = false});
  if (!subscription) return read_failed("subscribe", subscription.error());
  std::vector<std::int64_t> seen;
  while (!(*subscription)->at_end()) {
    const auto some = (*subscription)->next(1 + random_.below(50), 0, [&](const EventView& event) {
      seen.push_back(event.offset);
      return true;
    });
    if (!some) return read_failed("next", some.error());
  }
  std::vector<std::int64_t> expected;
  for (std::size_t i = 0; i < model_.log().size(); ++i) {
    if (!model_.log()[i].gap) expected.push_back(static_cast<std::int64_t>(i));
  }
  if (seen != expected) complain("a subscription hands out " + text(static_cast<std::int64_t>(seen.size())) + " events, expected " + text(static_cast<std::int64_t>(expected.size())));
  if ((*subscription)->position().token != tokens_.back()) complain("a subscription at its end is not where the context ends");
}

void StoreHarness::verify_filter(const Filter& filter, bool backward) {
  std::vector<std::int64_t> expected;
  for (std::size_t i = 0; i < model_.log().size(); ++i) {
    const Model::Entry& entry = model_.log()[i];
    if (entry.gap) continue;
    const bool type = filter.types.empty() || std::ranges::any_of(filter.types, [&](const std::string& t) {
      return entry.is_event() && (t == entry.type || t == "rides." + entry.type);
    });
    const bool tags = std::ranges::all_of(filter.tags, [&](const std::string& t) { return std::ranges::find(entry.tags, t) != entry.tags.end(); });
    if (type && tags && (filter.category.empty() || entry.stream.starts_with(filter.category + "-"))) expected.push_back(static_cast<std::int64_t>(i));
  }
  std::vector<std::int64_t> seen;
  ReadContext request{.context = "rides", .backward = backward, .limit = 1 + random_.below(20), .filter = filter};
  while (true) {
    const auto page = store_->read_context(request);
    if (!page) return read_failed("read_context", page.error());
    for (const Event& event : page->events) seen.push_back(event.offset);
    if (page->at_end) break;
    request.after = page->next;
  }
  if (backward) std::ranges::reverse(seen);
  if (seen != expected) complain("a filtered read finds " + text(static_cast<std::int64_t>(seen.size())) + " events, expected " + text(static_cast<std::int64_t>(expected.size())));
}

}  // namespace baton::store::testing
