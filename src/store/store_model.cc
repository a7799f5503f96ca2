#include "store/store_model.h"

#include <algorithm>

namespace baton::store::testing {
namespace {

std::string bare(const std::string& context, const std::string& type) {
  return type.starts_with(context + ".") ? type.substr(context.size() + 1) : type;
}

bool same(const Model::Entry& a, const Model::Entry& b) { return a.type == b.type && a.data == b.data && a.tags == b.tags; }

}  // namespace

Model::Entry Model::make_entry(const std::string& stream, const NewEvent& event) const {
  Entry entry{.stream = stream, .type = bare(context_, event.type), .data = event.data, .id = event.id};
  entry.source = event.source.empty() ? "/contexts/" + context_ : event.source;
  entry.tags = event.tags;
  std::ranges::sort(entry.tags);
  entry.tags.erase(std::unique(entry.tags.begin(), entry.tags.end()), entry.tags.end());
  return entry;
}

Model::Head Model::head(const std::string& stream, std::size_t end) const {
  Head head;
  for (std::size_t i = 0; i < end; ++i) {
    const Entry& entry = log_[i];
    if (entry.stream != stream) continue;
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
    if (log_[i].stream == stream && log_[i].system.empty() && log_[i].version >= now.visible_from) {
      out.push_back(static_cast<std::int64_t>(i));
    }
  }
  return out;
}

std::map<std::string, Model::Head> Model::heads() const {
  std::map<std::string, Head> out;
  for (const Entry& entry : log_) {
    if (!out.contains(entry.stream)) out[entry.stream] = head(entry.stream);
  }
  return out;
}

void Model::cut(std::size_t offset) { log_.resize(offset); }

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
  if (!entry.system.empty()) return false;
  return std::ranges::any_of(query.items, [&](const QueryItem& item) {
    const bool type = item.types.empty() ||
                      std::ranges::any_of(item.types, [&](const std::string& t) { return bare(context_, t) == entry.type; });
    return type && std::ranges::all_of(item.tags, [&](const std::string& t) { return std::ranges::find(entry.tags, t) != entry.tags.end(); });
  });
}

Model::Answer Model::apply(const Operation& operation) {
  return operation.kind == Operation::Kind::append ? append(operation) : append_system(operation);
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

Model::Answer Model::append(const Operation& operation) {
  const Append& given = operation.append;
  const bool skip = given.duplicates == Append::Duplicates::skip;
  std::vector<Entry> entries;
  for (const StreamAppend& stream : given.streams) {
    for (const NewEvent& event : stream.events) entries.push_back(make_entry(stream.stream, event));
  }
  // Identity: within the request, then against the log.
  std::vector<std::int64_t> repeat(entries.size(), -1);
  std::vector<std::int64_t> known(entries.size(), -1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t j = i; j-- > 0 && repeat[i] < 0;) {
      const bool one = !entries[i].id.empty() && entries[i].id == entries[j].id && entries[i].stream == entries[j].stream &&
                       entries[i].source == entries[j].source;
      if (!one) continue;
      if (!same(entries[i], entries[j])) return {.refused = Code::duplicate_mismatch};
      repeat[i] = static_cast<std::int64_t>(j);
    }
  }
  if (!skip && std::ranges::any_of(repeat, [](std::int64_t r) { return r >= 0; })) return {.refused = Code::invalid_argument};
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    for (std::size_t at = 0; at < log_.size() && !entries[i].id.empty(); ++at) {
      const Entry& old = log_[at];
      if (!old.system.empty() || old.id != entries[i].id || old.stream != entries[i].stream || old.source != entries[i].source) continue;
      if (!same(old, entries[i])) return {.refused = Code::duplicate_mismatch};
      known[i] = static_cast<std::int64_t>(at);
    }
    if (known[i] < 0 && repeat[i] < 0) ++fresh;
  }
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

std::string RandomOperations::stream() { return (random_.below(2) == 0 ? "ride-" : "bike-") + std::to_string(random_.below(4)); }

NewEvent RandomOperations::event() {
  NewEvent event;
  event.type = random_.chance(200) ? context_ + "." + type() : type();
  event.data = std::string(random_.below(60), 'd');
  for (std::uint64_t i = random_.below(3); i > 0; --i) event.tags.push_back(tag());
  if (random_.chance(300)) {
    // What an id names is mostly the same event.
    event.id = "id-" + std::to_string(random_.below(12));
    event.type = std::string(1, static_cast<char>('A' + event.id.back() % 3));
    event.data = "data of " + event.id;
    event.tags = {"t:1"};
    if (random_.chance(50)) event.data += " changed";
    if (random_.chance(100)) event.source = "/other";
  }
  return event;
}

Expect RandomOperations::expect(const Model::Head& head) {
  switch (random_.below(6)) {
    case 0: return Expect::no_stream();
    case 1: return Expect::exists();
    case 2:
    case 3: return Expect::exact(std::max<std::int64_t>(head.last_version, 0));
    case 4: return Expect::exact(static_cast<std::int64_t>(random_.below(10)));
    default: return Expect::any();
  }
}

Operation RandomOperations::next(const Model& model) {
  Operation operation;
  operation.append.context = context_;
  const bool system = random_.chance(60);
  const std::uint64_t streams = system ? 1 : 1 + random_.below(3) * random_.below(2);
  for (std::uint64_t i = 0; i < streams; ++i) {
    StreamAppend part;
    part.stream = stream();
    part.condition = random_.chance(500) ? Expect::any() : expect(model.head(part.stream));
    const std::uint64_t events = system ? 0 : 1 + random_.below(random_.chance(50) ? 30 : 3);
    for (std::uint64_t e = 0; e < events; ++e) part.events.push_back(event());
    operation.append.streams.push_back(std::move(part));
  }
  if (system) {
    operation.kind = random_.chance(500) ? Operation::Kind::delete_stream : Operation::Kind::truncate_stream;
    operation.before_version = static_cast<std::int64_t>(random_.below(8));
    return operation;
  }
  if (random_.chance(250)) operation.append.duplicates = Append::Duplicates::skip;
  if (random_.chance(200)) {
    Unless unless;
    for (std::uint64_t i = 1 + random_.below(2); i > 0; --i) {
      QueryItem item;
      if (random_.chance(500)) item.types.push_back(type());
      for (std::uint64_t t = item.types.empty() ? 1 + random_.below(2) : random_.below(3); t > 0; --t) item.tags.push_back(tag());
      unless.query.items.push_back(std::move(item));
    }
    operation.append.unless = std::move(unless);
    operation.unless_after = static_cast<std::int64_t>(random_.below(model.log().size() + 1)) - 1;
    if (random_.chance(600)) operation.unless_after = static_cast<std::int64_t>(model.log().size()) - 1;
  }
  return operation;
}

}  // namespace baton::store::testing
