// Retention: whole segments leave at the front. What goes is first named in the catalogue, so that a crash cannot leave half of it (F27).
#include <algorithm>

#include "base/try.h"
#include "log/log_impl.h"

namespace baton::log {

// The first offset that the settings keep.
Result<Offset> LogImpl::retained_from(const PartitionTail& tail, bool by_time) const {
  const auto segments = tail.partition->segments();
  const Offset log_start = tail.partition->bounds().log_start;
  // Only sealed segments may go.
  const Offset sealed_end = tail.open.empty() ? tail.next : tail.open.front().segment->base();
  std::uint64_t bytes = tail.partition->bytes();
  Offset start = log_start;
  for (std::size_t i = 0; i + 1 < segments->size(); ++i) {
    const Segment& segment = *(*segments)[i];
    const Offset following = (*segments)[i + 1]->base();
    if (following > sealed_end) break;
    bool goes = tail.config->retention_bytes && bytes > *tail.config->retention_bytes &&
                bytes - segment.end() >= *tail.config->retention_bytes;
    if (!goes && by_time && tail.config->retention_ms) {
      BATON_TRY_ASSIGN(const std::int64_t arrival, segment.last_arrival_ms());
      goes = arrival < clock_->now_ms() - *tail.config->retention_ms;
    }
    if (!goes) break;
    bytes -= segment.end();
    start = std::max(start, following);
  }
  return start;
}

// Whether the segment that is written to is to end, so that what it holds can leave in time. After a restart, the age of what has no marks yet begins anew.
Result<bool> LogImpl::is_old(PartitionTail& tail) const {
  if (!tail.config->retention_ms || tail.open.empty()) return false;
  OpenSegment& last = tail.open.back();
  if (last.rolled || last.end == 0 || last.staged_end != last.end) return false;
  if (last.first_arrival_ms == 0) {
    BATON_TRY_ASSIGN(const std::int64_t first, last.segment->first_arrival_ms());
    last.first_arrival_ms = first > 0 ? first : clock_->now_ms();
  }
  return last.first_arrival_ms < clock_->now_ms() - std::min(tail.config->segment_ms, *tail.config->retention_ms);
}

Status LogImpl::apply_retention(const KeepHeads& keep_heads) {
  BATON_TRY(check_open());
  for (const auto& [key, tail] : tails_) {
    if (!tail->config->retention_ms && !tail->config->retention_bytes) continue;
    if (clock_->trusted()) {
      BATON_TRY_ASSIGN(const bool old, is_old(*tail));
      const Status ended = old ? create_segment(*tail) : Status();
      if (!ended && ended.error().code != Code::no_space) return ended;  // on a full disk what can leave matters more
    }
    BATON_TRY_ASSIGN(const Offset start, retained_from(*tail, clock_->trusted()));
    if (start > tail->partition->bounds().log_start) BATON_TRY(set_log_start(*tail, start, false, keep_heads));
  }
  remove_files();  // those that a backup has held back
  if (want_seals_ && !running_) start_checkpoint();
  return {};
}

Status LogImpl::remove_before(const PartitionKey& key, Offset start, const KeepHeads& keep_heads) {
  BATON_TRY(check_open());
  BATON_TRY_ASSIGN(PartitionTail* const tail, find_tail(key));
  const Bounds bounds = tail->partition->bounds();
  if (start.value() > bounds.durable.value()) {
    return Error{Code::invalid_argument, "offset " + std::to_string(start.value()) + " is above the durable end, " +
                                             std::to_string(bounds.durable.value())};
  }
  if (start <= bounds.log_start) return {};
  return set_log_start(*tail, start, true, keep_heads);
}

Status LogImpl::set_log_start(PartitionTail& tail, Offset start, bool asked, const KeepHeads& keep_heads) {
  Offset heads(0);
  if (tail.config->kind == TopicKind::event && keep_heads) {
    BATON_TRY_ASSIGN(heads, keep_heads(tail.key, start));
  }
  const auto set = catalogue_->set_log_start(tail.key, start, asked, heads);
  if (!set && set.error().code == Code::io_error) return fail(set.error());
  BATON_TRY(set);
  live_->set_catalogue_bytes(catalogue_->bytes());
  tail.partition->set_log_start(start);
  SegmentList list = *tail.partition->segments();
  std::size_t gone = 0;
  while (gone + 1 < list.size() && list[gone + 1]->base() <= start &&
         (tail.open.empty() || list[gone]->base() < tail.open.front().segment->base())) {
    to_remove_.push_back(list[gone]->log_path());
    to_remove_.push_back(list[gone]->marks_path());
    ++gone;
  }
  list.erase(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(gone));
  tail.partition->set_segments(std::move(list));
  ++tail.list_changes;
  publish(tail);
  remove_files();
  return {};
}

// On the worker, since unlinking a large file takes its time. What is left after a crash goes at the next open.
void LogImpl::remove_files() {
  if (to_remove_.empty()) return;
  if (const auto held = live_->held(); !held || *held) return;
  worker_.post([&fs = fs_, paths = std::exchange(to_remove_, {}), lock = lock_] {
    for (const auto& path : paths) (void)os::remove_tree(fs, path);
  });
}

}  // namespace baton::log
