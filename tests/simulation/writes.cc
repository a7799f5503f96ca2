// What a Run asks of the store that changes it, and what must come back.
#include <algorithm>
#include <utility>

#include "run.h"

namespace baton::simulation {
namespace {

constexpr const char* kTypes[] = {"Started", "Moved", "Paused", "Ended"};

std::string name_of(const Attempt& attempt) {
  const StreamAppend& first = attempt.request.streams.front();
  const char* what = attempt.kind == Attempt::Kind::append ? "append to " : attempt.kind == Attempt::Kind::remove ? "delete " : "truncate ";
  return what + first.stream + (attempt.request.streams.size() > 1 ? " and others" : "");
}

}  // namespace

std::string Run::some_stream() {
  const std::string name = random_.chance(800) ? std::to_string(random_.below(6)) : std::to_string(random_.below(400));
  return (random_.chance(700) ? "ride-" : "bike-") + name;
}

NewEvent Run::new_event() {
  const std::int64_t number = ++numbered_;
  NewEvent event;
  event.type = kTypes[random_.below(std::size(kTypes))];
  std::size_t pad = random_.below(random_.chance(plan_.retires ? 500 : 100) ? 900 : 60);
  if (plan_.large && random_.chance(300)) pad = 20'000 + random_.below(40'000);
  event.data = "{\"n\":" + std::to_string(number) + ",\"pad\":\"" + std::string(pad, 'x') + "\"}";
  if (random_.chance(850)) event.id = "e" + std::to_string(number);
  for (std::uint64_t i = random_.below(3); i > 0; --i) event.tags.push_back("k" + std::to_string(i) + ":" + std::to_string(random_.below(4)));
  if (random_.chance(200)) event.time = Time{1'700'000'000'000'000'000 + static_cast<std::int64_t>(random_.below(20)) * 1'000'000'000};
  if (random_.chance(300)) event.tenant = random_.chance(500) ? "nyc" : "sf";
  return event;
}

std::optional<std::pair<std::int64_t, Position>> Run::some_position() {
  const auto& facts = histories_[0].partitions()[0].facts;
  if (facts.empty()) return std::nullopt;
  const std::size_t offset = random_.below(facts.size());
  if (facts[offset].position.empty()) return std::nullopt;
  return std::pair(static_cast<std::int64_t>(offset), Position{facts[offset].position});
}

Append Run::new_append(std::size_t context) {
  const History& history = histories_[context];
  Append append;
  append.context = history.context();
  const std::uint64_t streams = context == 0 && random_.chance(250) ? 2 + random_.below(3) : 1;
  const std::uint64_t events_most = plan_.large ? 12 : 4;
  for (std::uint64_t i = 0; i < streams; ++i) {
    StreamAppend part;
    part.stream = some_stream();
    const std::int64_t version = history.stream(part.stream).last_version;
    switch (random_.below(8)) {
      case 0: part.condition = Expect::no_stream(); break;
      case 1: part.condition = Expect::exists(); break;
      case 2: part.condition = Expect::exact(version); break;
      case 3: part.condition = Expect::exact(version + static_cast<std::int64_t>(random_.below(3)) - 1); break;
      default: break;
    }
    if (part.condition.kind == Expect::Kind::exact && part.condition.version < 0) part.condition = Expect::no_stream();
    for (std::uint64_t n = 1 + random_.below(events_most); n > 0; --n) part.events.push_back(new_event());
    append.streams.push_back(std::move(part));
  }
  if (random_.chance(200)) append.tenant = "la";
  return append;
}

void Run::append_something() {
  Attempt attempt;
  attempt.context = random_.chance(plan_.retires ? 250 : 700) ? 0 : 1;
  attempt.request = new_append(attempt.context);
  if (attempt.context == 0 && random_.chance(200)) {
    Unless unless;
    QueryItem item;
    if (random_.chance(500)) item.types.emplace_back(kTypes[random_.below(std::size(kTypes))]);
    if (item.types.empty() || random_.chance(500)) item.tags.push_back("k1:" + std::to_string(random_.below(4)));
    unless.query.items.push_back(std::move(item));
    if (const auto position = random_.chance(850) ? some_position() : std::nullopt) {
      attempt.unless_after = position->first;
      unless.after = position->second;
    }
    attempt.request.unless = std::move(unless);
  }
  submit(std::move(attempt), random_.chance(300));
  // Two writers race with the same condition: the History says which one wins (F28).
  if (random_.chance(150) && going()) {
    Attempt rival = *attempts_.back();
    rival.answered = false;
    for (StreamAppend& part : rival.request.streams) {
      for (NewEvent& event : part.events) event = new_event();
    }
    submit(std::move(rival), random_.chance(300));
  }
}

// F29, F30: the same again, whether it was answered, refused or lost in a crash; sometimes with other events, or other content.
void Run::repeat_something() {
  if (attempts_.empty()) return;
  const std::size_t back = random_.below(random_.chance(600) ? std::min<std::size_t>(attempts_.size(), 6) : attempts_.size());
  Attempt attempt = *attempts_[attempts_.size() - 1 - back];
  attempt.answered = false;
  if (random_.chance(150)) attempt.request.duplicates = Append::Duplicates::skip;
  StreamAppend& last = attempt.request.streams.back();
  if (random_.chance(150)) last.events.push_back(new_event());
  if (random_.chance(60)) last.events.front().data = "{\"n\":" + std::to_string(++numbered_) + "}";
  submit(std::move(attempt), random_.chance(300));
}

void Run::remove_or_truncate() {
  Attempt attempt;
  attempt.kind = random_.chance(500) ? Attempt::Kind::remove : Attempt::Kind::truncate;
  attempt.context = random_.below(2);
  attempt.request.context = histories_[attempt.context].context();
  StreamAppend part;
  part.stream = some_stream();
  const std::int64_t version = histories_[attempt.context].stream(part.stream).last_version;
  if (random_.chance(300) && version >= 0) part.condition = Expect::exact(version);
  attempt.before_version = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(version + 3)));
  attempt.request.streams.push_back(part);

  const auto shared = std::make_shared<Attempt>(std::move(attempt));
  in_flight_.push_back(shared);
  const Append& request = shared->request;
  const auto done = shared->kind == Attempt::Kind::remove
                        ? store_->delete_stream(request.context, part.stream, part.condition)
                        : store_->truncate_stream(request.context, part.stream, shared->before_version, part.condition);
  if (done) {
    Appended answer;
    answer.position = *done;
    settle(shared, answer);
  } else {
    settle(shared, done.error());
  }
}

void Run::submit(Attempt attempt, bool wait) {
  const auto shared = std::make_shared<Attempt>(std::move(attempt));
  in_flight_.push_back(shared);
  attempts_.push_back(shared);
  Append request = shared->request;
  store_->append_async(std::move(request), [this, shared](const Result<Appended>& result) { settle(shared, result); });
  if (!wait) return;
  world_.run_until([&] { return shared->answered || !going(); });
  if (going() && !shared->answered) wrong(name_of(*shared) + ": is never answered");
}

// An answer has come. The History decides now, since answers come in the order of the decisions.
void Run::settle(const std::shared_ptr<Attempt>& attempt, const Result<Appended>& result) {
  if (!alive() || !wrong_.empty()) return;
  if (talks_) {
    std::string told = result ? "done" : result.error().to_string();
    if (result && !result->events.empty()) told = "offset " + std::to_string(result->events.front().offset) + (result->events.front().duplicate ? ", known" : "");
    say(histories_[attempt->context].context() + ": " + name_of(*attempt) + ": " + told);
  }
  if (!result && result.error().code == Code::store_failed) {
    if (!faulty_) wrong(name_of(*attempt) + ": " + result.error().to_string());
    return;  // nobody knows what became of it until the next recovery
  }
  // The caller of a call that waits may be told late: the store has ended between its answer and its return.
  if (ended_ && result && attempt->kind == Attempt::Kind::append) {
    wrong(name_of(*attempt) + ": acknowledged after the store has ended");
    return;
  }
  const auto found = std::ranges::find(in_flight_, attempt);
  if (found == in_flight_.end()) {
    wrong(name_of(*attempt) + ": answered twice");
    return;
  }
  if (found != in_flight_.begin() && result) {
    const auto of_context = std::find_if(in_flight_.begin(), found, [&](const auto& a) { return a->context == attempt->context; });
    if (of_context != found) wrong(name_of(*attempt) + ": answered before " + name_of(**of_context));
  }
  in_flight_.erase(found);
  attempt->answered = true;
  world_.note(result ? 1 : static_cast<std::uint64_t>(result.error().code) + 2);
  History& history = histories_[attempt->context];
  History::Decision decision = history.decide(*attempt);
  if (!result) {
    ++counts_.refused;
    const Code code = result.error().code;
    const bool by_fault = faulty_ && (code == Code::no_space || code == Code::io_error);
    if (by_fault) return;
    if (decision.refused != code) {
      wrong(name_of(*attempt) + ": " + result.error().to_string() + "; must be " +
            std::string(decision.refused ? code_name(*decision.refused) : "accepted"));
    }
    return;
  }
  if (decision.refused) {
    wrong(name_of(*attempt) + ": accepted; must be refused as " + std::string(code_name(*decision.refused)));
    return;
  }
  ++counts_.appended;
  history.created = true;
  for (Fact& fact : decision.adds) fact.answered_ns = world_.now_ns();
  history.add(decision.partition, std::move(decision.adds));
  if (attempt->kind == Attempt::Kind::append) {
    check_answer(*attempt, *result, decision);
  } else {
    history.partitions()[decision.partition].facts.back().position = result->position.token;
  }
}

void Run::check_answer(Attempt& attempt, const Appended& answer, const History::Decision& decision) {
  auto& facts = histories_[attempt.context].partitions()[decision.partition].facts;
  if (answer.events.size() != decision.told.size()) {
    wrong(name_of(attempt) + ": told of " + std::to_string(answer.events.size()) + " events");
    return;
  }
  for (std::size_t i = 0; i < answer.events.size(); ++i) {
    const AppendedEvent& told = answer.events[i];
    const History::Told& expected = decision.told[i];
    if (told.offset != expected.offset || told.version != expected.version || told.duplicate != expected.duplicate) {
      wrong(name_of(attempt) + ": event " + told.id + " is told to be version " + std::to_string(told.version) + " at offset " +
            std::to_string(told.offset) + (told.duplicate ? ", a duplicate" : "") + "; must be version " +
            std::to_string(expected.version) + " at offset " + std::to_string(expected.offset) + (expected.duplicate ? ", a duplicate" : ""));
      return;
    }
    Fact& fact = facts[static_cast<std::size_t>(told.offset)];
    if (fact.id.empty()) fact.id = told.id;
    const bool one_partition = histories_[attempt.context].partitions().size() == 1;
    if (fact.position.empty() || !one_partition) fact.position = told.position.token;
    if (fact.position != told.position.token || fact.id != told.id) {
      wrong(name_of(attempt) + ": position " + told.position.token + " of event " + told.id + "; it was " + fact.position + " of " + fact.id);
    }
  }
}

// F27: never beyond the policy; what is gone was whole segments at the front.
void Run::apply_retention() {
  if (!histories_[1].created) return;
  wait_for_answers();
  if (!going()) return;
  const auto before = store_->context("many");
  if (!fine(before, "context")) return;
  auto& faults = world_.disk().faults;
  if (random_.chance(300)) strike_soon(40);
  const auto applied = store_->apply_retention();
  if (applied && random_.chance(300)) strike_soon(40);
  auto found = read_everything(1);
  if (!found && going()) {  // what has gone must be known, so the disk is in order for once
    const auto per_mille = std::exchange(faults.fail_read_per_mille, 0);
    found = read_everything(1);
    faults.fail_read_per_mille = per_mille;
  }
  if (!found) return;
  (void)fine(applied, "apply_retention");
  const auto after = store_->context("many");
  std::uint64_t moved = 0;
  for (std::size_t p = 0; p < found->size(); ++p) {
    History::Partition& partition = histories_[1].partitions()[p];
    const std::int64_t start = (*found)[p].empty() ? partition.end() : (*found)[p].front().offset;
    if (start < partition.start) wrong("retention has brought back offset " + std::to_string(start));
    if (start > partition.start) ++moved;
    partition.start = std::max(partition.start, start);
  }
  // A partition's share is not known; each that has lost something has kept as much as the policy says.
  if (fine(after, "context") && after->bytes < before->bytes && after->bytes < moved * plan_.segment_bytes * 2) {
    wrong("retention has kept " + std::to_string(after->bytes) + " bytes in " + std::to_string(moved) + " partitions");
  }
}

}  // namespace baton::simulation
