// What a reader finds missing: a segment that ought to be there, or a file of one.
#include <algorithm>

#include "base/try.h"
#include "log/catalogue.h"
#include "log/partition.h"
#include "log/recovery.h"

namespace baton::log {
namespace {

Error missing(const std::string& name, std::string_view what) {
  return {Code::corrupt, name + ", position 0: " + std::string(what)};
}

Error segment_missing(const PartitionKey& key, Offset base) {
  return missing(os::join(partition_directory(key), segment_file_name(base, ".log")), "the file is missing");
}

Error start_missing(const PartitionKey& key, const SegmentList& list) {
  if (list.empty()) return missing(partition_directory(key), "the segments of this partition are missing");
  return missing(list.front()->relative_log_path(), "the segment before this one is missing");
}

}  // namespace

// The segment that holds `offset`, which lies between the log's start and its visible end.
Result<std::shared_ptr<Segment>> Partition::holder(const SegmentList& list, Offset offset) const {
  const auto after = std::ranges::upper_bound(list, offset, {}, [](const auto& segment) { return segment->base(); });
  if (after == list.begin()) return start_missing(key_, list);
  const auto& segment = *std::prev(after);
  if (segment->next_offset() <= offset) return segment_missing(key_, segment->next_offset());
  return segment;
}

// All of it from `start` on, as far as it is known where the segments end.
Status Partition::check_holes(const SegmentList& list, Offset start) const {
  BATON_TRY(holder(list, start));
  for (std::size_t i = 0; i + 1 < list.size(); ++i) {
    if (list[i]->next_offset() < list[i + 1]->base()) return segment_missing(key_, list[i]->next_offset());
  }
  return {};
}

Error Partition::below_start(Offset from, Offset start) {
  return {Code::removed, "offset " + std::to_string(from.value()) + " is below the start of the log, " + std::to_string(start.value())};
}

Result<Offset> Partition::find_start() const {
  BATON_TRY_ASSIGN(const auto catalogue, Catalogue::open(env_, directory_, true));
  const CatalogueState& state = catalogue->state();
  const auto topic = state.topics.find(key_.topic);
  if (topic == state.topics.end() || topic->second.removed) return Error{Code::not_found, "the topic has been removed"};
  const auto start = state.log_start.find(key_);
  return start == state.log_start.end() ? Offset(0) : start->second;
}

// What it means that something of the segment of `within` was not found. A retention, or the removal of the topic, is in the catalogue before a
// file goes; a process that only reads may not have heard of it yet.
Error Partition::judge(Offset within, Error found) const {
  if (found.code != Code::not_found && found.code != Code::corrupt) return found;
  if (Status there = check_bounds(within); !there) return std::move(there).error();
  auto start = find_start();
  if (!start) return std::move(start).error();
  if (within < *start) return below_start(within, *start);
  return {Code::corrupt, std::move(found.detail)};
}

}  // namespace baton::log
