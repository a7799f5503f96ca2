// What a Run reads, and that it is what the History says.
#include <algorithm>
#include <utility>

#include "run.h"

namespace baton::simulation {
namespace {

std::string in_words(const ReadContext& request) {
  const Filter& f = request.filter;
  std::string out = "read_context one";
  if (request.backward) out += ", backward";
  if (!request.after.is_beginning()) out += ", after " + request.after.token;
  for (const auto& type : f.types) out += ", type " + type;
  for (const auto& tag : f.tags) out += ", tag " + tag;
  if (!f.tenant.empty()) out += ", tenant " + f.tenant;
  if (!f.category.empty()) out += ", category " + f.category;
  if (!f.stream_prefix.empty()) out += ", streams " + f.stream_prefix;
  if (request.as_of.position) out += ", as of " + request.as_of.position->token;
  if (request.as_of.recorded) out += ", as recorded by " + request.as_of.recorded->to_string();
  if (request.as_of.time) out += ", as happened by " + request.as_of.time->to_string();
  return out + ", " + std::to_string(request.limit) + " at most";
}

std::string in_words(const std::vector<std::int64_t>& offsets, std::size_t end) {
  return end < offsets.size() ? "offset " + std::to_string(offsets[end]) : "the end";
}

}  // namespace

void Run::expect(std::size_t context, std::size_t partition, const std::vector<std::int64_t>& offsets, const std::vector<Event>& events,
                 const std::string& doing) {
  auto& facts = histories_[context].partitions()[partition].facts;
  for (std::size_t i = 0; i < std::max(offsets.size(), events.size()); ++i) {
    if (i >= offsets.size() || i >= events.size() || offsets[i] != events[i].offset) {
      const std::string found = i < events.size() ? "offset " + std::to_string(events[i].offset) : "the end";
      wrong(doing + ": after " + std::to_string(i) + " events comes " + found + ", not " + in_words(offsets, i));
      return;
    }
    if (const std::string what = difference(facts[static_cast<std::size_t>(offsets[i])], offsets[i], events[i]); !what.empty()) {
      wrong(doing + ": " + what);
      return;
    }
  }
}

std::optional<std::vector<std::vector<Event>>> Run::read_everything(std::size_t context) {
  const std::string& name = histories_[context].context();
  std::vector<std::vector<Event>> out(histories_[context].partitions().size());
  ReadContext request{.context = name, .after = {}, .filter = {}, .as_of = {}};
  request.limit = 1 + random_.below(random_.chance(300) ? 7 : 500);
  while (true) {
    auto page = store_->read_context(request);
    if (!fine(page, "read_context " + name)) return std::nullopt;
    for (Event& event : page->events) {
      const auto partition = static_cast<std::size_t>(event.partition);
      if (partition >= out.size()) {
        wrong("read_context " + name + ": an event of partition " + std::to_string(event.partition));
        return std::nullopt;
      }
      out[partition].push_back(std::move(event));
    }
    if (page->at_end) return out;
    if (page->next == request.after) {
      wrong("read_context " + name + ": does not come to an end");
      return std::nullopt;
    }
    request.after = page->next;
  }
}

// Everything, both contexts, all streams.
void Run::check_all() {
  for (std::size_t c = 0; c < histories_.size() && going(); ++c) {
    if (!histories_[c].created) continue;
    const auto found = read_everything(c);
    if (!found) return;
    for (std::size_t p = 0; p < found->size(); ++p) {
      const auto& partition = histories_[c].partitions()[p];
      std::vector<std::int64_t> offsets;
      for (std::int64_t i = partition.start; i < partition.end(); ++i) offsets.push_back(i);
      expect(c, p, offsets, (*found)[p], "read_context " + histories_[c].context() + ", partition " + std::to_string(p));
    }
    if (going()) check_streams(c);
  }
  check_lost_positions(4);
}

void Run::check_streams(std::size_t context) {
  const History& history = histories_[context];
  std::map<std::string, Store::StreamHead> heads;
  std::string after;
  do {
    const std::size_t limit = 1 + random_.below(40);
    auto page = store_->streams(history.context(), "", after, limit);
    // A damaged index is made again from the log; until then only this read has to wait (F19).
    for (int i = 0; i < 1000 && flipped_ && !page && page.error().code == Code::unavailable; ++i) {
      world_.run_for(1'000'000);
      page = store_->streams(history.context(), "", after, limit);
    }
    if (!fine(page, "streams of " + history.context())) return;
    for (const auto& head : page->streams) {
      if (!heads.emplace(head.stream, head).second) wrong("streams of " + history.context() + ": " + head.stream + " comes twice");
    }
    after = page->next;
  } while (!after.empty() && wrong_.empty());
  if (heads.size() != history.streams().size()) {
    wrong("streams of " + history.context() + ": " + std::to_string(heads.size()) + ", not " + std::to_string(history.streams().size()));
  }
  for (const auto& [name, stream] : history.streams()) {
    if (!going()) return;
    const auto head = heads.find(name);
    if (head == heads.end() || head->second.last_version != stream.last_version || head->second.deleted != stream.deleted) {
      wrong("streams of " + history.context() + ": the head of " + name + " is wrong");
      return;
    }
    check_stream(context, name, 1000);
  }
}

void Run::check_stream(std::size_t context, const std::string& stream, std::size_t limit) {
  const History& history = histories_[context];
  const History::Stream head = history.stream(stream);
  ReadStream request{.context = history.context(), .stream = stream};
  request.limit = limit;
  request.backward = random_.chance(300);
  std::vector<std::int64_t> offsets = history.visible(stream);
  if (request.backward) std::ranges::reverse(offsets);
  const std::string doing = std::string(request.backward ? "read backward " : "read ") + stream + " of " + history.context() + ", " + std::to_string(limit) + " at most";
  std::vector<Event> events;
  while (true) {
    auto page = store_->read_stream(request);
    if (!fine(page, doing)) return;
    if (page->last_version != head.last_version || page->deleted != head.deleted) {
      wrong(doing + ": the last version is " + std::to_string(page->last_version) + (page->deleted ? ", deleted" : "") + "; must be " +
            std::to_string(head.last_version) + (head.deleted ? ", deleted" : ""));
      return;
    }
    if (talks_) say(doing + " from " + std::to_string(request.from_version) + ": " + std::to_string(page->events.size()) + " events, then " + std::to_string(page->next_version.value_or(-1)));
    if (page->events.size() > limit) wrong(doing + ": more events than were asked for");
    std::ranges::move(page->events, std::back_inserter(events));
    if (!page->next_version) break;
    if (page->events.empty()) {
      wrong(doing + ": a page without events is not the last one");
      return;
    }
    request.from_version = *page->next_version;
  }
  expect(context, history.partition_of(stream), offsets, events, doing);
}

void Run::read_a_stream() {
  const std::size_t context = random_.below(2);
  if (histories_[context].created) check_stream(context, some_stream(), 1 + random_.below(random_.chance(500) ? 3 : 100));
}

void Run::read_a_context() {
  if (!histories_[0].created) return;
  ReadContext request{.context = "one", .after = {}, .filter = {}, .as_of = {}};
  std::int64_t after = -1;
  std::int64_t as_of = -1;
  if (const auto position = random_.chance(500) ? some_position() : std::nullopt) {
    after = position->first;
    request.after = position->second;
  }
  Filter& filter = request.filter;
  if (random_.chance(200)) filter.types = {"Started", "Ended"};
  if (random_.chance(200)) filter.tags = {"k1:" + std::to_string(random_.below(4))};
  if (random_.chance(100)) filter.tenant = "nyc";
  if (random_.chance(100)) filter.category = "bike";
  if (random_.chance(100)) filter.stream_prefix = "ride-1";
  auto& facts = histories_[0].partitions()[0].facts;
  const std::uint64_t past = random_.below(6);
  if (past == 0) {
    if (const auto position = some_position()) {
      as_of = position->first;
      request.as_of.position = position->second;
    }
  } else if (past <= 2) {
    // Append times are learnt from reads.
    if (!read_everything(0)) return;
    check_all();
    const bool learnt = std::ranges::none_of(facts, [](const Fact& fact) { return fact.recorded_ms < 0; });
    if (!going() || facts.empty() || !learnt) return;
    const Fact& fact = facts[random_.below(facts.size())];
    if (past == 1) request.as_of.recorded = Time{fact.recorded_ms * 1'000'000};
    if (past == 2) request.as_of.time = Time{fact.time_ns >= 0 ? fact.time_ns : fact.recorded_ms * 1'000'000};
  }
  std::vector<std::int64_t> offsets = histories_[0].select(after, filter, request.as_of, as_of);
  request.backward = after < 0 && random_.chance(300);
  if (request.backward) std::ranges::reverse(offsets);
  request.limit = 1 + random_.below(random_.chance(500) ? 5 : 300);
  std::vector<Event> events;
  const std::string doing = in_words(request);
  while (true) {
    auto page = store_->read_context(request);
    if (!fine(page, doing)) return;
    std::ranges::move(page->events, std::back_inserter(events));
    if (page->at_end) break;
    if (page->next == request.after && page->events.empty()) {
      wrong(doing + ": does not come to an end");
      return;
    }
    request.after = page->next;
  }
  expect(0, 0, offsets, events, doing);
}

void Run::read_heads() {
  const std::size_t context = random_.below(2);
  const History& history = histories_[context];
  if (!history.created) return;
  const std::string stream = some_stream();
  const auto head = store_->stream_head(history.context(), stream);
  if (!fine(head, "stream_head")) return;
  const History::Stream expected = history.stream(stream);
  if (head->last_version != expected.last_version || head->deleted != expected.deleted) {
    wrong("stream_head of " + stream + " in " + history.context() + ": version " + std::to_string(head->last_version) + ", not " +
          std::to_string(expected.last_version));
  }
  // A position counts what lies at or before it, for ever.
  if (const auto position = some_position()) {
    const auto rank = store_->rank("one", position->second);
    if (fine(rank, "rank of " + position->second.token) && *rank != position->first + 1) {
      wrong("rank of " + position->second.token + " is " + std::to_string(*rank));
    }
  }
}

// G6: a position of a lost tail is refused, never misread.
void Run::check_lost_positions(std::size_t count) {
  for (std::size_t c = 0; c < lost_.size(); ++c) {
    for (std::size_t i = 0; i < count && !lost_[c].empty() && going(); ++i) {
      const Position position{lost_[c][random_.below(lost_[c].size())]};
      const auto rank = store_->rank(histories_[c].context(), position);
      const ReadContext request{.context = histories_[c].context(), .after = position, .filter = {}, .as_of = {}};
      const auto page = store_->read_context(request);
      if (!alive()) return;
      const auto refused = [&](const Error* error) {
        return error != nullptr && (error->code == Code::position_lost || (faulty_ && error->code == Code::io_error));
      };
      if (!refused(rank ? nullptr : &rank.error()) || !refused(page ? nullptr : &page.error())) {
        wrong("the position " + position.token + " of a lost tail is taken");
      }
    }
  }
}

}  // namespace baton::simulation
