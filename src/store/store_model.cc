#include "store/store_model.h"

#include <algorithm>

#include "store/partitioner.h"

namespace baton::store::testing {
namespace {

std::string bare(const std::string& context, const std::string& type) {
  return type.starts_with(context + ".") ? type.substr(context.size() + 1) : type;
}

bool same(const Model::Entry& a, const Model::Entry& b) { return a.type == b.type && a.data == b.data && a.tags == b.tags; }

}  // namespace

bool Place::has(const std::string& stream) const {
  return partition_of(Partitioner::murmur2, stream, partitions) == log::PartitionId(partition);
}

Model::Entry Model::make_entry(const std::string& stream, const NewEvent& event) const {
  Entry entry{.stream = stream, .type = bare(place_.topic, event.type), .data = event.data, .id = event.id};
  entry.source = event.source.empty() ? "/contexts/" + place_.topic : event.source;
  entry.tags = event.tags;
  std::ranges::sort(entry.tags);
  entry.tags.erase(std::unique(entry.tags.begin(), entry.tags.end()), entry.tags.end());
  return entry;
}

Model::Head Model::head(const std::string& stream, std::size_t end) const {
  Head head;
  for (std::size_t i = 0; i < end; ++i) {
    const Entry& entry = log_[i];
    if (entry.gap || entry.stream != stream) continue;
    head.deleted = entry.system == "deleted";
    if (entry.system.empty()) head.last_version = entry.version;
    if (entry.system == "deleted") head.visible_from = head.last_version + 1;
    if (entry.system == "truncated") head.visible_from = std::max(head.visible_from, entry.truncated_before);
  }
  return head;
}

std::vector<std::int64_t> Model::stream(const std::string& stream, std::size_t end) const {
  const Head now = head(stream, end);
  std::vector<std::int64_t> out;
  for (std::size_t i = 0; i < end; ++i) {
    if (log_[i].stream == stream && log_[i].is_event() && log_[i].version >= now.visible_from) {
      out.push_back(static_cast<std::int64_t>(i));
    }
  }
  return out;
}

std::map<std::string, Model::Head> Model::heads() const {
  std::map<std::string, Head> out;
  for (const Entry& entry : log_) {
    if (!entry.gap && !out.contains(entry.stream)) out[entry.stream] = head(entry.stream);
  }
  return out;
}

void Model::cut(std::size_t offset) {
  log_.resize(offset);
  std::erase_if(produced_, [&](const Batch& batch) { return batch.end > static_cast<std::int64_t>(offset); });
}

bool Model::holds(const Expect& expect, const Head& head) {
  switch (expect.kind) {
    case Expect::Kind::any: return true;
    case Expect::Kind::no_stream: return head.empty();
    case Expect::Kind::exists: return !head.empty();
    case Expect::Kind::exact: return !head.empty() && head.last_version == expect.version;
  }
  return false;
}

bool Model::matches(const Query& query, const Entry& entry) const {
  if (!entry.is_event()) return false;
  return std::ranges::any_of(query.items, [&](const QueryItem& item) {
    const bool type = item.types.empty() ||
                      std::ranges::any_of(item.types, [&](const std::string& t) { return bare(place_.topic, t) == entry.type; });
    return type && std::ranges::all_of(item.tags, [&](const std::string& t) { return std::ranges::find(entry.tags, t) != entry.tags.end(); });
  });
}

Model::Answer Model::apply(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::append: return append(operation);
    case Operation::Kind::produce: return produce(operation);
    case Operation::Kind::delete_stream:
    case Operation::Kind::truncate_stream: break;
  }
  return append_system(operation);
}

Model::Answer Model::append_system(const Operation& operation) {
  const StreamAppend& given = operation.append.streams.front();
  const Head now = head(given.stream);
  if (!holds(given.condition, now)) return {.refused = Code::wrong_version};
  if (now.empty()) return {.refused = Code::not_found};
  Entry entry{.stream = given.stream, .batch = batches_};
  if (operation.kind == Operation::Kind::delete_stream) {
    entry.system = "deleted";
  } else {
    if (operation.before_version > now.last_version) return {.refused = Code::invalid_argument};
    entry.system = "truncated";
    entry.truncated_before = std::max(operation.before_version, now.visible_from);
  }
  ++batches_;
  log_.push_back(entry);
  return {.refused = {}, .offsets = {static_cast<std::int64_t>(log_.size()) - 1}, .duplicate = {false}};
}

Model::Identity Model::identify(const std::vector<Entry>& entries) const {
  Identity out;
  out.repeat.resize(entries.size(), -1);
  out.known.resize(entries.size(), -1);
  const auto one = [](const Entry& a, const Entry& b) { return !a.id.empty() && a.id == b.id && a.stream == b.stream && a.source == b.source; };
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t j = i; j-- > 0 && out.repeat[i] < 0;) {
      if (!one(entries[i], entries[j])) continue;
      out.repeat[i] = static_cast<std::int64_t>(j);
      // Of each identity the first one that differs may be named, whichever identity is looked at first.
      const bool named = std::ranges::any_of(out.mismatched, [&](std::size_t other) { return one(entries[i], entries[other]); });
      if (!same(entries[i], entries[j]) && !named) out.mismatched.push_back(i);
    }
  }
  if (!out.mismatched.empty()) return out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t at = 0; at < log_.size(); ++at) {
      const Entry& old = log_[at];
      if (!old.is_event() || !one(entries[i], old)) continue;
      if (!same(old, entries[i])) {
        out.mismatched.push_back(i);
        return out;
      }
      out.known[i] = static_cast<std::int64_t>(at);
    }
    if (out.known[i] < 0 && out.repeat[i] < 0) ++out.fresh;
  }
  return out;
}

Model::Answer Model::append(const Operation& operation) {
  const Append& given = operation.append;
  if (given.unless && place_.partitions > 1) return {.refused = Code::invalid_argument};
  if (!std::ranges::all_of(given.streams, [&](const StreamAppend& stream) { return place_.has(stream.stream); })) return {.refused = Code::invalid_argument};
  const bool skip = given.duplicates == Append::Duplicates::skip;
  std::vector<Entry> entries;
  for (const StreamAppend& stream : given.streams) {
    for (const NewEvent& event : stream.events) entries.push_back(make_entry(stream.stream, event));
  }
  const Identity identity = identify(entries);
  const auto& [repeat, known, mismatched, fresh] = identity;
  // Within the request, then against the log.
  if (std::ranges::any_of(mismatched, [&](std::size_t i) { return repeat[i] >= 0; })) return {.refused = Code::duplicate_mismatch};
  if (!skip && std::ranges::any_of(repeat, [](std::int64_t r) { return r >= 0; })) return {.refused = Code::invalid_argument};
  if (!mismatched.empty()) return {.refused = Code::duplicate_mismatch};
  if (fresh > 0 && fresh < entries.size() && !skip) return {.refused = Code::partial_duplicate};
  Answer answer;
  answer.offsets = known;
  for (std::size_t i = 0; i < entries.size(); ++i) answer.duplicate.push_back(known[i] >= 0 || repeat[i] >= 0);

  if (fresh > 0) {
    std::map<std::string, Head> heads;
    std::size_t at = 0;
    for (const StreamAppend& stream : given.streams) {
      Head& now = heads.try_emplace(stream.stream, head(stream.stream)).first->second;
      const auto begin = answer.duplicate.begin() + static_cast<std::ptrdiff_t>(at);
      const bool all_known = std::all_of(begin, begin + static_cast<std::ptrdiff_t>(stream.events.size()), [](bool d) { return d; });
      if (!all_known && !holds(stream.condition, now)) return {.refused = Code::wrong_version};
      for (std::size_t i = 0; i < stream.events.size(); ++i, ++at) {
        if (answer.duplicate[at]) continue;
        entries[at].version = ++now.last_version;
        now.deleted = false;
      }
    }
    if (given.unless) {
      for (auto i = static_cast<std::size_t>(operation.unless_after + 1); i < log_.size(); ++i) {
        if (matches(given.unless->query, log_[i])) return {.refused = Code::condition_failed};
      }
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (answer.duplicate[i]) continue;
      entries[i].batch = batches_;
      answer.offsets[i] = static_cast<std::int64_t>(log_.size());
      log_.push_back(entries[i]);
    }
    ++batches_;
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (answer.offsets[i] < 0) answer.offsets[i] = answer.offsets[static_cast<std::size_t>(repeat[i])];
  }
  return answer;
}

}  // namespace baton::store::testing
