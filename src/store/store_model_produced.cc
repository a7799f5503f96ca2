// The model of what producers write: docs/formats/producers.md over a plain list of batches, and rule 4 for the events of a batch.
#include <algorithm>

#include "store/store_model.h"

namespace baton::store::testing {
namespace {

constexpr std::size_t kBatchesKnown = 5;

// Sequences go round at 2^31.
std::int32_t plus(std::int32_t sequence, std::size_t n) {
  return static_cast<std::int32_t>((std::int64_t{sequence} + static_cast<std::int64_t>(n)) & INT32_MAX);
}

}  // namespace

std::vector<Model::Batch> Model::batches_of(std::int64_t producer_id) const {
  std::vector<Batch> out;
  for (const Batch& batch : produced_) {
    if (batch.by.producer_id != producer_id) continue;
    if (!out.empty() && out.back().by.producer_epoch != batch.by.producer_epoch) out.clear();
    out.push_back(batch);
    if (out.size() > kBatchesKnown) out.erase(out.begin());
  }
  return out;
}

std::set<std::int64_t> Model::producers() const {
  std::set<std::int64_t> ids;
  for (const Batch& batch : produced_) ids.insert(batch.by.producer_id);
  return ids;
}

Model::Batch* Model::batch_at(std::int64_t base) {
  const auto found = std::ranges::find_if(produced_, [&](const Batch& batch) { return batch.base == base; });
  return found == produced_.end() ? nullptr : &*found;
}

// Nothing when its events are to be looked at.
std::optional<Model::Answer> Model::judge_producer(const Operation& operation) const {
  const Produced& by = operation.produced;
  const std::vector<Batch> known = batches_of(by.producer_id);
  if (by.producer_id < 0 || known.empty()) return std::nullopt;
  const Batch& newest = known.back();
  if (by.producer_epoch < newest.by.producer_epoch) return Answer{.refused = Code::fenced};
  if (by.producer_epoch > newest.by.producer_epoch) {
    return by.base_sequence == 0 ? std::nullopt : std::optional(Answer{.refused = Code::out_of_order});
  }
  const std::int32_t last = plus(by.base_sequence, operation.append.streams.size() - 1);
  for (const Batch& batch : known) {
    if (batch.by.base_sequence == by.base_sequence && batch.last_sequence == last) {
      return Answer{.refused = {}, .base = batch.base, .end = batch.end, .again = true};
    }
  }
  return by.base_sequence == plus(newest.last_sequence, 1) ? std::nullopt : std::optional(Answer{.refused = Code::out_of_order});
}

Model::Answer Model::produce(const Operation& operation) {
  const Produced& by = operation.produced;
  const std::vector<StreamAppend>& streams = operation.append.streams;
  if (by.partition != log::PartitionId(place_.partition)) return {.refused = Code::not_found};
  if (auto judged = judge_producer(operation)) return *judged;
  std::vector<Entry> entries;
  for (const StreamAppend& stream : streams) entries.push_back(make_entry(stream.stream, stream.events.front()));
  if (place_.plain) return take(by, std::move(entries));
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (entries[i].data.size() > ContextOptions{}.data_bytes_max) return {.refused = Code::too_large, .blamed = {i}};
  }
  for (std::size_t i = 0; i < streams.size(); ++i) {
    if (!place_.has(streams[i].stream)) return {.refused = Code::invalid_argument, .blamed = {i}};
  }
  const Identity identity = identify(entries);
  if (!identity.mismatched.empty()) return {.refused = Code::duplicate_mismatch, .blamed = identity.mismatched};
  if (identity.fresh == 0 && by.producer_id < 0) {
    return {.refused = {}, .base = identity.known.front(), .end = *std::ranges::max_element(identity.known) + 1, .again = true};
  }
  std::map<std::string, Head> heads;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (identity.known[i] >= 0 || identity.repeat[i] >= 0) {
      entries[i] = {.gap = true};
    } else {
      Head& now = heads.try_emplace(streams[i].stream, head(streams[i].stream)).first->second;
      if (!holds(streams[i].condition, now)) return {.refused = Code::wrong_version, .blamed = {i}};
      entries[i].version = ++now.last_version;
      now.deleted = false;
    }
  }
  return take(by, std::move(entries));
}

Model::Answer Model::take(const Produced& by, std::vector<Entry> entries) {
  Answer answer;
  answer.base = static_cast<std::int64_t>(log_.size());
  answer.end = answer.base + static_cast<std::int64_t>(entries.size());
  for (Entry& entry : entries) entry.batch = batches_;
  log_.insert(log_.end(), entries.begin(), entries.end());
  ++batches_;
  if (by.producer_id >= 0) {
    produced_.push_back({.by = by, .last_sequence = plus(by.base_sequence, entries.size() - 1), .base = answer.base, .end = answer.end});
  }
  return answer;
}

}  // namespace baton::store::testing
