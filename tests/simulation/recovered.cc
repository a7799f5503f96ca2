// What a new process finds: what was acknowledged, then a prefix of what was in flight, and nothing else (G4).
#include <algorithm>
#include <utility>

#include "run.h"

namespace baton::simulation {
namespace {

constexpr std::int64_t kIntervalNs = 50'000'000;
constexpr std::int64_t kSlackNs = 1'000'000'000;

}  // namespace

bool Run::check_recovered() {
  const auto info = store_->info();
  if (!fine(info, "info")) return false;
  if (!store_id_.empty() && info->store_id != store_id_) wrong("the store id has changed");
  store_id_ = info->store_id;
  if (info->epoch <= epoch_) wrong("epoch " + std::to_string(info->epoch) + " follows " + std::to_string(epoch_));
  std::vector<std::vector<std::vector<Event>>> found(histories_.size());
  for (std::size_t c = 0; c < histories_.size(); ++c) {
    History& history = histories_[c];
    const auto context = std::ranges::find(info->contexts, history.context(), &ContextInfo::name);
    if (context == info->contexts.end()) {
      if (history.created) wrong("context " + history.context() + " is gone");
      continue;
    }
    history.created = true;
    topics_[c] = context->id.substr(0, 16);
    auto events = read_everything(c);
    if (!events) return false;
    found[c] = std::move(*events);
  }
  for (std::size_t c = 0; c < histories_.size() && wrong_.empty(); ++c) {
    if (found[c].empty()) continue;
    take_recovered(c, found[c]);
    if (wrong_.empty()) take_in_flight(c, found[c]);
    if (wrong_.empty()) note_lost(c);
  }
  for (const auto& [where, end] : shown_) {
    const auto& [c, p] = where;
    if (wrong_.empty() && histories_[c].partitions()[p].end() < end) {
      wrong(histories_[c].context() + ", partition " + std::to_string(p) + ": ends before offset " + std::to_string(end) +
            ", which a reader beside has shown");
    }
  }
  shown_.clear();
  if (!wrong_.empty()) return false;
  epoch_ = info->epoch;
  for (const History& history : histories_) {
    for (std::size_t p = 0; p < history.partitions().size(); ++p) {
      const auto& partition = history.partitions()[p];
      say("recovered " + history.context() + ", partition " + std::to_string(p) + ": offsets " + std::to_string(partition.start) + " to " + std::to_string(partition.end()));
    }
  }
  in_flight_.clear();
  power_was_cut_ = false;
  died_ns_ = -1;
  space_was_short_ = fate_ == Fate::full_disk;
  for (std::size_t c = 0; c < histories_.size() && going(); ++c) {
    if (histories_[c].created) check_streams(c);
  }
  check_lost_positions(3);
  if (!going()) return false;
  std::size_t streams = 0;
  for (const History& history : histories_) streams += history.streams().size();
  if (info->streams != static_cast<std::int64_t>(streams)) {
    wrong("info tells of " + std::to_string(info->streams.value_or(-1)) + " streams, not " + std::to_string(streams));
  }
  return wrong_.empty();
}

void Run::cut_history(std::size_t context, std::size_t partition, std::int64_t end) {
  auto& facts = histories_[context].partitions()[partition].facts;
  const std::string name = histories_[context].context() + ", partition " + std::to_string(partition);
  for (auto i = static_cast<std::size_t>(end); i < facts.size(); ++i) {
    const bool may = plan_.durability == Durability::interval && power_was_cut_ && facts[i].answered_ns > died_ns_ - kIntervalNs - kSlackNs;
    if (!may) {
      wrong(name + ": ends before offset " + std::to_string(end) + "; offset " + std::to_string(i) + " was acknowledged");
      return;
    }
    if (!facts[i].position.empty() && histories_[context].partitions().size() == 1) lost_[context].push_back(facts[i].position);
  }
  if (end > 0 && !facts[static_cast<std::size_t>(end) - 1].ends_append) wrong(name + ": ends at " + std::to_string(end) + ", within an append");
  histories_[context].cut(partition, end);
  if (context != 0) return;
  std::set<std::int64_t> lowered;
  for (const std::int64_t at : checkpoints_) lowered.insert(std::min(at, end));
  checkpoints_ = std::move(lowered);
}

// What is known must be there, unchanged.
void Run::take_recovered(std::size_t context, const std::vector<std::vector<Event>>& found) {
  History& history = histories_[context];
  for (std::size_t p = 0; p < found.size() && wrong_.empty(); ++p) {
    History::Partition& partition = history.partitions()[p];
    const std::vector<Event>& events = found[p];
    const std::string name = history.context() + ", partition " + std::to_string(p);
    for (std::size_t i = 1; i < events.size(); ++i) {
      if (events[i].offset != events[i - 1].offset + 1) wrong(name + ": a gap before offset " + std::to_string(events[i].offset));
      if (events[i].recorded < events[i - 1].recorded) wrong(name + ": the append time goes back at offset " + std::to_string(events[i].offset));
    }
    // Only a retention moves the start, and it always leaves something.
    const std::int64_t start = events.empty() ? partition.start : events.front().offset;
    if (start < partition.start || (context != 1 && start > partition.start)) wrong(name + ": begins at offset " + std::to_string(start));
    partition.start = start;
    const std::int64_t end = events.empty() ? start : events.back().offset + 1;
    if (end < partition.end()) cut_history(context, p, end);
    for (std::int64_t i = start; i < partition.end() && wrong_.empty(); ++i) {
      const std::string what = difference(partition.facts[static_cast<std::size_t>(i)], i, events[static_cast<std::size_t>(i - start)]);
      if (!what.empty()) wrong(name + ", after recovery: " + what);
    }
  }
}

// Of what was in flight, a prefix: each append whole or not at all.
void Run::take_in_flight(std::size_t context, const std::vector<std::vector<Event>>& found) {
  History& history = histories_[context];
  std::vector<bool> ended(found.size());
  for (const auto& attempt : in_flight_) {
    if (attempt->context != context) continue;
    History::Decision decision = history.decide(*attempt);
    if (decision.refused || decision.adds.empty()) continue;
    const std::size_t p = decision.partition;
    History::Partition& partition = history.partitions()[p];
    const auto at = static_cast<std::size_t>(partition.end() - partition.start);
    bool there = at + decision.adds.size() <= found[p].size();
    for (std::size_t i = 0; there && i < decision.adds.size(); ++i) {
      there = difference(decision.adds[i], partition.end() + static_cast<std::int64_t>(i), found[p][at + i]).empty();
    }
    if (!there) {
      ended[p] = true;
      continue;
    }
    // Where space was short an append may have been refused and a later one not.
    if (ended[p] && !space_was_short_) {
      wrong(history.context() + ": an append was recovered, and one before it was not");
      return;
    }
    history.add(p, std::move(decision.adds));
  }
  for (std::size_t p = 0; p < found.size(); ++p) {
    const History::Partition& partition = history.partitions()[p];
    const auto known = static_cast<std::size_t>(partition.end() - partition.start);
    if (known < found[p].size()) {
      wrong(history.context() + ", partition " + std::to_string(p) + ": offset " + std::to_string(partition.end()) + " holds event " +
            found[p][known].id + " of " + found[p][known].stream + ", which nobody has appended so");
    }
  }
}

// A position that the epoch before this one would have given next.
void Run::note_lost(std::size_t context) {
  if (epoch_ == 0 || histories_[context].partitions().size() > 1) return;
  const std::int64_t end = histories_[context].partitions()[0].end();
  for (std::int64_t i = 0; i < 3; ++i) {
    lost_[context].push_back("p1." + topics_[context] + "." + std::to_string(epoch_) + "." + std::to_string(end + i));
  }
}

}  // namespace baton::simulation
