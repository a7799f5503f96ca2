// What is there against what must be there: after each open, and whenever a test asks.
#include <algorithm>
#include <set>

#include "log/batch.h"
#include "store/backup.h"
#include "store/store_harness.h"
#include "store/verify.h"

namespace baton::store::testing {
namespace {

std::string text(std::int64_t n) { return std::to_string(n); }
std::string text(std::size_t n) { return std::to_string(n); }

std::vector<std::int64_t> offsets_of(const std::vector<Event>& events) {
  std::vector<std::int64_t> out;
  for (const Event& event : events) out.push_back(event.offset);
  return out;
}

}  // namespace

void StoreHarness::compare_event(Track& track, const Event& event, std::size_t offset) {
  Model::Entry& entry = track.model.log()[offset];
  std::vector<std::string> tags = event.tags;
  std::ranges::sort(tags);
  if (entry.id.empty()) entry.id = event.id;
  const bool equal = event.stream == entry.stream && event.version == entry.version && event.data == entry.data &&
                     event.id == entry.id && (event.source == entry.source || !entry.is_event()) && event.system == entry.system &&
                     event.truncated_before == entry.truncated_before && tags == entry.tags &&
                     (entry.system.empty() ? event.type == entry.type : true) && event.offset == static_cast<std::int64_t>(offset);
  if (!equal) {
    complain("offset " + text(offset) + " holds " + event.stream + " version " + text(event.version) + " id " + event.id + ", expected " +
             entry.stream + " version " + text(entry.version) + " id " + entry.id);
  }
}

std::optional<std::vector<std::size_t>> StoreHarness::compare_offsets(const Topic& topic) {
  return topic.plain ? compare_records(topic) : compare_events(topic);
}

// Events in their places and gaps in between, up to where the partitions end.
std::optional<std::vector<std::size_t>> StoreHarness::compare_events(const Topic& topic) {
  std::vector<std::size_t> next(topic.partitions);
  const auto pass_gaps = [&](std::size_t partition, std::size_t until) {
    const auto& log = track(topic, partition).model.log();
    for (std::size_t& at = next[partition]; at < until && at < log.size(); ++at) {
      if (!log[at].gap) complain("offset " + text(at) + " of " + topic.name + "-" + text(partition) + " holds nothing, expected id " + log[at].id);
    }
  };
  ReadContext request{.context = topic.name, .limit = 1 + random_.below(200)};
  while (true) {
    const auto page = store_->read_context(request);
    if (!page) {
      read_failed("read of all", page.error());
      return std::nullopt;
    }
    for (const Event& event : page->events) {
      const auto partition = static_cast<std::size_t>(event.partition);
      const auto offset = static_cast<std::size_t>(event.offset);
      Track& of = track(topic, partition);
      pass_gaps(partition, offset);
      if (offset != next[partition] || offset >= of.model.log().size() || of.model.log()[offset].gap) {
        complain("an event that was never appended: " + event.id + " at offset " + text(event.offset) + " of " + topic.name + "-" + text(partition));
        return std::nullopt;
      }
      compare_event(of, event, offset);
      if (topic.partitions == 1) {
        if (!of.tokens[offset].empty() && of.tokens[offset] != event.position.token) complain("a position changed");
        of.tokens[offset] = event.position.token;
      }
      next[partition] = offset + 1;
    }
    if (page->at_end) break;
    request.after = page->next;
  }
  const auto view = core_->view()->find(topic.name);
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    const auto end = static_cast<std::size_t>(view->partitions[i]->reader().bounds().visible.value());
    pass_gaps(i, end);
    if (next[i] != end) complain(topic.name + "-" + text(i) + " ends at " + text(end) + ", its last event lies before " + text(next[i]));
  }
  return problem_.empty() ? std::optional(next) : std::nullopt;
}

// The records of a plain topic, one behind the other.
std::optional<std::vector<std::size_t>> StoreHarness::compare_records(const Topic& topic) {
  std::vector<std::size_t> ends;
  const auto view = core_->view()->find_topic(topic.name);
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    const log::PartitionReader& reader = *view->partitions[i];
    const auto& expected = track(topic, i).model.log();
    const log::Offset end(reader.bounds().visible.value());
    std::size_t next = 0;
    for (log::Offset from; from < end;) {
      base::Bytes bytes;
      const auto read = reader.read(from, 1 + random_.below(4000), bytes);
      if (!read) {
        read_failed("read of records", read.error());
        return std::nullopt;
      }
      from = read->next;
      log::RecordCursor cursor;
      for (base::ByteView rest = bytes; !rest.empty() && problem_.empty(); rest = rest.subspan(cursor.header().total_bytes())) {
        if (!cursor.start(rest)) complain("a batch cannot be read");
        for (; problem_.empty() && cursor.next(); ++next) {
          const log::RecordView& record = cursor.record();
          const bool right = next < expected.size() && record.offset == log::Offset(static_cast<std::int64_t>(next)) &&
                             base::as_text(record.key.value_or(base::ByteView())) == expected[next].stream &&
                             base::as_text(record.value.value_or(base::ByteView())) == expected[next].data;
          if (!right) complain("offset " + text(next) + " of " + topic.name + "-" + text(i) + " holds another record than was produced");
        }
        if (!cursor.status()) complain("a record cannot be read");
      }
      if (!problem_.empty()) return std::nullopt;
    }
    if (next != static_cast<std::size_t>(end.value())) complain(topic.name + "-" + text(i) + " ends at " + text(end.value()) + " and has " + text(next) + " records");
    ends.push_back(next);
  }
  return problem_.empty() ? std::optional(ends) : std::nullopt;
}

// After an open: what is there is a prefix of what was attempted, and holds all that was acknowledged.
void StoreHarness::compare_recovered() {
  for (Topic& topic : topics_) {
    if (alive() && problem_.empty()) compare_recovered(topic);
  }
  if (alive() && problem_.empty()) check_order();
}

void StoreHarness::compare_recovered(Topic& topic) {
  const bool exists = core_->view()->find_topic(topic.name) != nullptr;
  if (topic.there && !exists) return complain("topic " + topic.name + " had been made, and is gone");
  topic.there = exists;
  const auto found = exists ? compare_offsets(topic) : std::vector<std::size_t>(topic.partitions);
  if (!found && alive()) complain("what is there cannot be read after an open");
  if (!found || !alive()) return;
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    Track& of = track(topic, i);
    const std::size_t count = (*found)[i];
    const std::string name = topic.name + "-" + text(i);
    if (count < of.acknowledged) return complain(text(count) + " offsets of " + name + " are there, " + text(of.acknowledged) + " were acknowledged");
    if (!of.model.is_boundary(count)) return complain("a part of an append to " + name + " is there (F5)");
    // A position of what was lost must be refused, never misread.
    for (std::size_t lost = count; lost < of.tokens.size(); ++lost) {
      if (of.tokens[lost].empty() || count == 0) continue;
      const auto rank = store_->rank(topic.name, Position{of.tokens[lost]});
      if (rank || rank.error().code != Code::position_lost) complain("a position of a lost event is not refused");
    }
    of.model.cut(count);
    of.tokens.resize(count);
    of.acknowledged = count;
  }
}

// All partitions share one journal: nothing is there that was decided after something that is lost.
void StoreHarness::check_order() {
  bool lost = false;
  std::vector<Step> kept;
  for (const Step& step : order_) {
    if (step.end > step.track->model.log().size()) {
      lost = true;
      continue;
    }
    if (lost) complain("offset " + text(step.end - 1) + " of " + step.track->place.topic + "-" + text(std::int64_t{step.track->place.partition}) + " is there, and what was decided before it is lost");
    kept.push_back(step);
  }
  order_ = std::move(kept);
}

void StoreHarness::verify() {
  if (!problem_.empty()) return;
  verify_producers();
  for (const Topic& topic : topics_) {
    if (events_of(topic) == 0 || store_failed_ || !problem_.empty()) continue;
    verify_end(topic);
    if (topic.plain) continue;
    if (!store_failed_ && problem_.empty()) verify_streams(topic);
    if (!store_failed_) verify_context(topic);
    if (!store_failed_) verify_subscription(topic);
  }
  if (!store_failed_ && problem_.empty()) verify_info();
}

std::size_t StoreHarness::events_of(const Topic& topic) {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < topic.partitions; ++i) sum += track(topic, i).model.log().size();
  return sum;
}

void StoreHarness::verify_producers() {
  const std::size_t before = order_.size();
  for (Track& of : tracks_) {
    for (const std::int64_t id : of.model.producers()) {
      const std::vector<Model::Batch> known = of.model.batches_of(id);
      // Only the sequence says that it is the same batch.
      for (const Model::Batch& batch : known) submit(of, of.operations.batch(batch.by, static_cast<std::size_t>(batch.end - batch.base)));
      Produced missing = known.back().by;
      missing.base_sequence = static_cast<std::int32_t>((std::int64_t{known.back().last_sequence} + 3) & INT32_MAX);
      submit(of, of.operations.batch(missing, 1));
      Produced old = known.back().by;
      if (old.producer_epoch-- > 0) submit(of, of.operations.batch(old, 1));
    }
  }
  (void)world_.run_until([&] { return pending_.empty() || store_failed_ || !alive(); }, 200'000);
  if (!alive() || store_failed_) return;
  if (!pending_.empty()) return complain("a batch that was sent again was never answered");
  if (order_.size() != before) complain("the model takes a batch that is sent again");
}

void StoreHarness::verify_end(const Topic& topic) {
  const auto counts = compare_offsets(topic);
  if (!counts) return;
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    const std::size_t end = track(topic, i).model.log().size();
    if ((*counts)[i] != end) return complain(text((*counts)[i]) + " offsets of " + topic.name + "-" + text(i) + " are in use, expected " + text(end));
  }
  if (topic.plain) return;
  const auto context = store_->context(topic.name);
  if (!context) return read_failed("context", context.error());
  const std::size_t end = events_of(topic);
  if (topic.partitions == 1) {
    std::string& last = track(topic, 0).tokens[end - 1];
    if (last.empty()) last = context->end.token;
    if (last != context->end.token) complain("the end of the context is " + context->end.token + ", the position of its last offset is " + last);
  }
  const auto rank = store_->rank(topic.name, context->end);
  if (!rank) return read_failed("rank", rank.error());
  if (*rank != static_cast<std::int64_t>(end)) complain("the end of " + topic.name + " has rank " + text(*rank));
}

void StoreHarness::verify_stream(Track& of, const std::string& name, const Model::Head& head) {
  const std::size_t end = of.model.log().size();
  const std::vector<std::int64_t> expected = of.model.stream(name, end);
  for (const bool backward : {false, true}) {
    std::vector<std::int64_t> seen;
    ReadStream request{.context = of.place.topic, .stream = name, .backward = backward, .limit = 1 + random_.below(8)};
    while (true) {
      const auto page = store_->read_stream(request);
      if (!page) return read_failed("read_stream", page.error());
      if (page->last_version != head.last_version || page->deleted != head.deleted) complain("the head of " + name + " is wrong");
      for (const Event& event : page->events) seen.push_back(event.offset);
      if (!page->next_version) break;
      request.from_version = *page->next_version;
    }
    if (backward) std::ranges::reverse(seen);
    if (seen != expected) complain("stream " + name + (backward ? " backward" : "") + " has " + text(seen.size()) + " events, expected " + text(expected.size()));
  }
  std::size_t past = random_.below(end);
  while (past > 0 && of.tokens[past].empty()) --past;  // most gaps have none
  if (of.tokens[past].empty()) return;
  const auto page = store_->read_stream({.context = of.place.topic, .stream = name, .as_of = {.position = Position{of.tokens[past]}}});
  if (!page) return read_failed("as of", page.error());
  if (offsets_of(page->events) != of.model.stream(name, past + 1)) complain("stream " + name + " as of offset " + text(past) + " is wrong");
}

void StoreHarness::verify_streams(const Topic& topic) {
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    for (const auto& [name, head] : track(topic, i).model.heads()) {
      if (!store_failed_) verify_stream(track(topic, i), name, head);
    }
  }
  if (!store_failed_) verify_list(topic);
}

void StoreHarness::verify_list(const Topic& topic) {
  std::map<std::string, Model::Head> heads;
  for (std::size_t i = 0; i < topic.partitions; ++i) heads.merge(track(topic, i).model.heads());
  std::set<std::string> listed;
  std::string after;
  do {
    auto page = store_->streams(topic.name, "", after, 3);
    if (!page && page.error().code == Code::unavailable) {  // damage was found, and the index is made again
      world_.run_until_idle();
      page = store_->streams(topic.name, "", after, 3);
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
  if (listed.size() != heads.size()) complain("not all streams of " + topic.name + " are listed");
}

void StoreHarness::verify_info() {
  const auto info = store_->info();
  if (!info) return read_failed("info", info.error());
  std::size_t streams = 0;
  std::size_t events = 0;
  for (const Topic& topic : topics_) {
    if (topic.plain) continue;
    events += events_of(topic);
    for (std::size_t i = 0; i < topic.partitions; ++i) streams += track(topic, i).model.heads().size();
  }
  if (info->streams != static_cast<std::int64_t>(streams)) complain("info counts " + text(info->streams.value_or(-1)) + " streams of " + text(streams));
  if (info->events != static_cast<std::int64_t>(events)) complain("info counts " + text(info->events) + " events of " + text(events));
}

template <typename Wanted>
void StoreHarness::compare_seen(const Topic& topic, const std::string& what, const std::vector<std::vector<std::int64_t>>& seen, Wanted wanted) {
  for (std::size_t i = 0; i < topic.partitions; ++i) {
    std::vector<std::int64_t> expected;
    const auto& log = track(topic, i).model.log();
    for (std::size_t at = 0; at < log.size(); ++at) {
      if (!log[at].gap && wanted(log[at])) expected.push_back(static_cast<std::int64_t>(at));
    }
    if (seen[i] != expected) complain(what + " gives " + text(seen[i].size()) + " events of " + topic.name + "-" + text(i) + ", expected " + text(expected.size()));
  }
}

void StoreHarness::verify_context(const Topic& topic) {
  for (const bool backward : {false, true}) {
    if (backward && topic.partitions > 1) return;  // there is no order to go back in
    if (store_failed_) return;
    verify_filter(topic, {.types = {"A"}}, backward);
    verify_filter(topic, {.types = {"B", topic.name + ".C"}, .tags = {"t:2"}}, backward);
    verify_filter(topic, {.tags = {"t:1", "t:3"}}, backward);
    verify_filter(topic, {.category = "bike"}, backward);
  }
}

void StoreHarness::verify_subscription(const Topic& topic) {
  const auto subscription = store_->subscribe({.context = topic.name, .live = false});
  if (!subscription) return read_failed("subscribe", subscription.error());
  std::vector<std::vector<std::int64_t>> seen(topic.partitions);
  while (!(*subscription)->at_end()) {
    const auto some = (*subscription)->next(1 + random_.below(50), 0, [&](const EventView& event) {
      seen[static_cast<std::size_t>(event.partition)].push_back(event.offset);
      return true;
    });
    if (!some) return read_failed("next", some.error());
  }
  compare_seen(topic, "a subscription", seen, [](const Model::Entry&) { return true; });
  const Position end = (*subscription)->position();
  const auto rank = store_->rank(topic.name, end);
  if (!rank) return read_failed("rank", rank.error());
  if (*rank != static_cast<std::int64_t>(events_of(topic))) complain("a subscription at its end is not where " + topic.name + " ends");
  if (topic.partitions == 1 && end.token != track(topic, 0).tokens.back()) complain("a subscription at its end has another position than the last event");
}

void StoreHarness::verify_filter(const Topic& topic, const Filter& filter, bool backward) {
  std::vector<std::vector<std::int64_t>> seen(topic.partitions);
  ReadContext request{.context = topic.name, .backward = backward, .limit = 1 + random_.below(20), .filter = filter};
  while (true) {
    const auto page = store_->read_context(request);
    if (!page) return read_failed("read_context", page.error());
    for (const Event& event : page->events) seen[static_cast<std::size_t>(event.partition)].push_back(event.offset);
    if (page->at_end) break;
    request.after = page->next;
  }
  if (backward) std::ranges::reverse(seen.front());
  compare_seen(topic, "a filtered read", seen, [&](const Model::Entry& entry) {
    const bool type = filter.types.empty() || std::ranges::any_of(filter.types, [&](const std::string& t) {
      return entry.is_event() && (t == entry.type || t == topic.name + "." + entry.type);
    });
    const bool tags = std::ranges::all_of(filter.tags, [&](const std::string& t) { return std::ranges::find(entry.tags, t) != entry.tags.end(); });
    return type && tags && (filter.category.empty() || entry.stream.starts_with(filter.category + "-"));
  });
}

// What `baton verify` finds in what the life before has left. With `interval`, an index may know of records that a power cut has taken.
std::string StoreHarness::find_damage() const {
  const auto report = verify_store(*env_, directory_, std::nullopt, [](std::uint64_t, std::uint64_t) {});
  if (!report) return "";  // not there yet
  for (const log::Finding& finding : report->log.findings) {
    const bool lost = options_.durability == Durability::interval && finding.what.find("or the records between are gone") != std::string::npos;
    if (!lost) return finding.file + " at " + std::to_string(finding.position) + ": " + finding.what;
  }
  return "";
}

// What `baton verify` says of a directory.
void StoreHarness::verify_directory(const std::string& directory) {
  const auto report = verify_store(*env_, directory, std::nullopt, [](std::uint64_t, std::uint64_t) {});
  if (!report) return complain("verify of " + directory + ": " + report.error().to_string());
  for (const log::Finding& finding : report->log.findings) {
    complain("verify of " + directory + " finds in " + finding.file + " at " + text(static_cast<std::size_t>(finding.position)) + ": " + finding.what);
  }
}

void StoreHarness::move_to_copy() {
  if (!problem_.empty()) return;
  env_ = std::make_unique<os::SimEnv>(world_);
  const auto progress = [](std::uint64_t, std::uint64_t) {};
  const std::string copy = "/backup-" + std::to_string(++copies_);
  const std::string target = "/restored-" + std::to_string(copies_);
  verify_directory(directory_);
  if (const Status made = backup_store(*env_, directory_, copy, progress, nullptr); !made) return complain("backup: " + made.error().to_string());
  verify_directory(copy);
  if (const Status restored = restore_store(*env_, copy, target, progress); !restored) return complain("restore: " + restored.error().to_string());
  verify_directory(target);
  directory_ = target;
  env_->kill();
  env_ = nullptr;
}

}  // namespace baton::store::testing
