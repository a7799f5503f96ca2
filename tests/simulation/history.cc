#include "history.h"

#include <algorithm>
#include <set>

#include "store/partitioner.h"

namespace baton::simulation {
namespace {

bool holds(const Expect& expect, const History::Stream& stream) {
  switch (expect.kind) {
    case Expect::Kind::any: return true;
    case Expect::Kind::no_stream: return stream.empty();
    case Expect::Kind::exists: return !stream.empty();
    case Expect::Kind::exact: return !stream.empty() && stream.last_version == expect.version;
  }
  return false;
}

std::set<std::string> as_set(const std::vector<std::string>& tags) { return {tags.begin(), tags.end()}; }

bool same_content(const Fact& fact, const NewEvent& event) {
  return fact.type == event.type && fact.data == event.data && as_set(fact.tags) == as_set(event.tags);
}

bool has_all(const std::vector<std::string>& tags, const std::vector<std::string>& wanted) {
  return std::ranges::all_of(wanted, [&](const std::string& tag) { return std::ranges::find(tags, tag) != tags.end(); });
}

bool has_any(const std::vector<std::string>& types, const std::string& type) {
  return types.empty() || std::ranges::find(types, type) != types.end();
}

bool passes(const Filter& filter, const Fact& fact) {
  // A system record has neither type nor tags nor tenant that anybody asks for, but it has a stream.
  return has_any(filter.types, fact.type) && has_all(fact.tags, filter.tags) &&
         (filter.tenant.empty() || filter.tenant == fact.tenant) && fact.stream.starts_with(filter.stream_prefix) &&
         (filter.category.empty() || filter.category == fact.stream.substr(0, fact.stream.find('-')));
}

}  // namespace

History::History(std::string context, std::int32_t partitions)
    : context_(std::move(context)), partitions_(static_cast<std::size_t>(partitions)) {}

std::size_t History::partition_of(const std::string& stream) const {
  const auto count = static_cast<std::int32_t>(partitions_.size());
  return static_cast<std::size_t>(store::partition_of(store::Partitioner::murmur2, stream, count).value());
}

History::Stream History::stream(const std::string& name) const {
  const auto found = streams_.find(name);
  return found == streams_.end() ? Stream{} : found->second;
}

History::Decision History::decide(const Attempt& attempt) const {
  return attempt.kind == Attempt::Kind::append ? decide_append(attempt) : decide_system(attempt);
}

bool History::matches(const Query& query, const Fact& fact) const {
  return fact.system.empty() && std::ranges::any_of(query.items, [&](const QueryItem& item) {
           return has_any(item.types, fact.type) && has_all(fact.tags, item.tags);
         });
}

History::Decision History::decide_append(const Attempt& attempt) const {
  const Append& request = attempt.request;
  Decision out;
  const auto refuse = [&](Code code) {
    out.refused = code;
    out.told.clear();
    out.adds.clear();
    return out;
  };
  out.partition = partition_of(request.streams.front().stream);
  for (const StreamAppend& part : request.streams) {
    if (partition_of(part.stream) != out.partition) return refuse(Code::invalid_argument);
  }
  const Partition& partition = partitions_[out.partition];

  // Identity comes first.
  std::size_t known = 0;
  for (const StreamAppend& part : request.streams) {
    for (const NewEvent& event : part.events) {
      Told told;
      const auto found = event.id.empty() ? ids_.end() : ids_.find({part.stream, event.id});
      if (found != ids_.end() && found->second >= partition.start) {
        const Fact& fact = partition.facts[static_cast<std::size_t>(found->second)];
        if (!same_content(fact, event)) return refuse(Code::duplicate_mismatch);
        told = {.version = fact.version, .offset = found->second, .duplicate = true};
        ++known;
      }
      out.told.push_back(told);
    }
  }
  if (known == out.told.size()) return out;
  if (known > 0 && request.duplicates == Append::Duplicates::refuse_partial) return refuse(Code::partial_duplicate);

  // Then the conditions, each stream as the appends before it in the request leave it.
  std::map<std::string, Stream> heads;
  std::size_t at = 0;
  for (const StreamAppend& part : request.streams) {
    Stream& head = heads.try_emplace(part.stream, stream(part.stream)).first->second;
    const std::size_t end = at + part.events.size();
    const auto all_known = std::all_of(out.told.begin() + static_cast<std::ptrdiff_t>(at),
                                       out.told.begin() + static_cast<std::ptrdiff_t>(end), [](const Told& t) { return t.duplicate; });
    if (all_known) {
      at = end;
      continue;
    }
    if (!holds(part.condition, head)) return refuse(Code::wrong_version);
    for (const NewEvent& event : part.events) {
      Told& told = out.told[at++];
      if (told.duplicate) continue;
      told.version = ++head.last_version;
      told.offset = partition.end() + static_cast<std::int64_t>(out.adds.size());
      head.deleted = false;
      Fact fact{.stream = part.stream, .type = event.type, .id = event.id, .data = event.data, .system = {}, .tenant = event.tenant};
      if (fact.tenant.empty()) fact.tenant = request.tenant;
      fact.tags = event.tags;
      fact.version = told.version;
      fact.own_id = !event.id.empty();
      if (event.time) fact.time_ns = event.time->ns;
      out.adds.push_back(std::move(fact));
    }
  }
  if (request.unless) {
    if (attempt.unless_after >= 0) {
      const auto after = static_cast<std::size_t>(attempt.unless_after);
      const bool lost = after >= partition.facts.size() || partition.facts[after].position != request.unless->after.token;
      if (lost) return refuse(Code::position_lost);
    }
    for (std::int64_t i = std::max(partition.start, attempt.unless_after + 1); i < partition.end(); ++i) {
      if (matches(request.unless->query, partition.facts[static_cast<std::size_t>(i)])) return refuse(Code::condition_failed);
    }
  }
  out.adds.back().ends_append = true;
  return out;
}

History::Decision History::decide_system(const Attempt& attempt) const {
  const StreamAppend& given = attempt.request.streams.front();
  const Stream head = stream(given.stream);
  Decision out;
  out.partition = partition_of(given.stream);
  const bool truncates = attempt.kind == Attempt::Kind::truncate;
  if (!holds(given.condition, head)) {
    out.refused = Code::wrong_version;
  } else if (head.empty()) {
    out.refused = Code::not_found;
  } else if (truncates && (attempt.before_version < 0 || attempt.before_version > head.last_version)) {
    out.refused = Code::invalid_argument;
  }
  if (out.refused) return out;
  Fact fact{.stream = given.stream, .type = {}, .id = {}, .data = {}, .system = truncates ? "truncated" : "deleted", .tenant = {}};
  fact.truncated_before = truncates ? std::max(attempt.before_version, head.visible_from) : 0;
  fact.own_id = false;
  fact.ends_append = true;
  out.adds.push_back(std::move(fact));
  return out;
}

void History::take(std::size_t partition, std::int64_t offset) {
  const Fact& fact = partitions_[partition].facts[static_cast<std::size_t>(offset)];
  Stream& stream = streams_[fact.stream];
  if (fact.system == "deleted") {
    stream.deleted = true;
    stream.visible_from = stream.last_version + 1;
  } else if (fact.system == "truncated") {
    stream.visible_from = std::max(stream.visible_from, fact.truncated_before);
  } else {
    stream.deleted = false;
    stream.last_version = fact.version;
    stream.offsets.push_back(offset);
    if (fact.own_id) ids_[{fact.stream, fact.id}] = offset;
  }
}

void History::add(std::size_t partition, std::vector<Fact> facts) {
  for (Fact& fact : facts) {
    partitions_[partition].facts.push_back(std::move(fact));
    take(partition, partitions_[partition].end() - 1);
  }
}

void History::cut(std::size_t partition, std::int64_t end) {
  partitions_[partition].facts.resize(static_cast<std::size_t>(end));
  streams_.clear();
  ids_.clear();
  for (std::size_t p = 0; p < partitions_.size(); ++p) {
    for (std::int64_t i = 0; i < partitions_[p].end(); ++i) take(p, i);
  }
}

std::vector<std::int64_t> History::select(std::int64_t after, const Filter& filter, const AsOf& as_of,
                                          std::int64_t as_of_offset) const {
  const Partition& partition = partitions_.front();
  std::vector<std::int64_t> out;
  for (std::int64_t i = std::max(partition.start, after + 1); i < partition.end(); ++i) {
    const Fact& fact = partition.facts[static_cast<std::size_t>(i)];
    if (as_of.position && i > as_of_offset) break;
    if (as_of.recorded && fact.recorded_ms * 1'000'000 > as_of.recorded->ns) break;
    const std::int64_t happened = fact.time_ns >= 0 ? fact.time_ns : fact.recorded_ms * 1'000'000;
    if (as_of.time && happened > as_of.time->ns) continue;
    if (passes(filter, fact)) out.push_back(i);
  }
  return out;
}

std::vector<std::int64_t> History::visible(const std::string& name) const {
  std::vector<std::int64_t> out;
  const auto found = streams_.find(name);
  if (found == streams_.end()) return out;
  const Partition& partition = partitions_[partition_of(name)];
  for (const std::int64_t offset : found->second.offsets) {
    const Fact& fact = partition.facts[static_cast<std::size_t>(offset)];
    if (offset >= partition.start && fact.version >= found->second.visible_from) out.push_back(offset);
  }
  return out;
}

std::string difference(Fact& fact, std::int64_t offset, const Event& event) {
  const auto where = [&] {
    return "offset " + std::to_string(offset) + " (stream " + fact.stream + ", version " + std::to_string(fact.version) + "): ";
  };
  const auto text = [&](const char* what, const std::string& expected, const std::string& found) {
    return where() + what + " is '" + found + "', not '" + expected + "'";
  };
  if (event.offset != offset) return text("the offset", std::to_string(offset), std::to_string(event.offset));
  if (event.stream != fact.stream) return text("the stream", fact.stream, event.stream);
  if (event.version != fact.version) return text("the version", std::to_string(fact.version), std::to_string(event.version));
  if (event.system != fact.system) return text("the system record", fact.system, event.system);
  if (event.truncated_before != fact.truncated_before) {
    return text("the truncation", std::to_string(fact.truncated_before), std::to_string(event.truncated_before));
  }
  if (fact.system.empty()) {
    if (event.type != fact.type) return text("the type", fact.type, event.type);
    if (event.data != fact.data) return text("the data", fact.data, event.data);
    if (event.tags != fact.tags) return where() + "the tags differ";
    if (event.tenant != fact.tenant) return text("the tenant", fact.tenant, event.tenant);
    if (fact.id.empty() && !fact.own_id) fact.id = event.id;
    if (event.id != fact.id) return text("the id", fact.id, event.id);
    if (fact.time_ns >= 0 && event.time.ns != fact.time_ns) return where() + "the event time differs";
  }
  const std::int64_t recorded_ms = event.recorded.ns / 1'000'000;
  if (fact.recorded_ms < 0) fact.recorded_ms = recorded_ms;
  if (fact.recorded_ms != recorded_ms) return where() + "the append time changed";
  // With several partitions a position also tells what was seen of the others.
  if (event.position.token.find(',') != std::string::npos) return {};
  if (fact.position.empty()) fact.position = event.position.token;
  if (fact.position != event.position.token) return text("the position", fact.position, event.position.token);
  return {};
}

}  // namespace baton::simulation
