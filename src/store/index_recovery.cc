#include "store/index_recovery.h"

#include <algorithm>

#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;

}  // namespace

void IndexRecovery::add(ContextState& context, PartitionState& partition, bool rebuild) {
  partition.view->set_index_ready(false);
  const auto same = std::ranges::find(jobs_, &partition, &Job::partition);
  if (same != jobs_.end()) {  // damage that was found while it is brought up to date: it begins anew
    same->rebuild = same->rebuild || rebuild;
    same->begun = same->begun && !rebuild;
    return;
  }
  jobs_.push_back({.context = &context, .partition = &partition, .rebuild = rebuild});
}

Result<bool> index_matches_log(const log::PartitionReader& reader, const IndexCovered& covered) {
  const log::Bounds bounds = reader.bounds();
  if (covered.next <= bounds.log_start || covered.next > log::Offset(bounds.visible.value())) return false;
  base::Bytes batch;
  const auto read = reader.read(covered.next.plus(-1), 1, batch);
  if (!read && read.error().code == Code::removed) return false;  // beside a writer: its retention was faster
  if (!read) return read.error();
  if (!read->first) return false;
  BATON_TRY_ASSIGN(const log::BatchHeader header, log::parse_batch_header(batch));
  return header.next_offset() == covered.next && header.epoch == covered.epoch && header.crc == covered.batch_crc;
}

Status IndexRecovery::begin(Job& job) {
  PartitionView& view = *job.partition->view;
  const log::Bounds bounds = view.reader().bounds();
  const IndexCovered covered = view.index().covered();
  bool usable = !job.rebuild && covered.next.value() > 0;
  if (usable) {
    BATON_TRY_ASSIGN(usable, index_matches_log(view.reader(), covered));
  }
  if (usable) {
    job.next = covered.next;
    job.streams = covered.streams;
  } else {
    if (job.rebuild || covered.next.value() > 0) BATON_TRY(view.index().reset(bounds.log_start));
    job.next = bounds.log_start;
    const auto heads = view.heads();
    job.streams = heads == nullptr ? 0 : static_cast<std::int64_t>(heads->count());
  }
  job.feeder = std::make_unique<IndexFeeder>(*job.context->view, view);
  job.begun = true;
  return {};
}

Status IndexRecovery::feed_chunk(Job& job) {
  PartitionView& view = *job.partition->view;
  chunk_.clear();
  BATON_TRY_ASSIGN(const auto read, view.reader().read(job.next, kChunkBytes, chunk_));
  if (!read.first || read.next <= job.next) {
    return Error{Code::corrupt, "partition " + view.directory() + ": the log has no batch at offset " +
                                    std::to_string(job.next.value()) + ", though it is below the visible offset"};
  }
  BATON_TRY(job.feeder->feed(chunk_, read.first->position, job.next, job.streams));
  job.next = read.next;
  return {};
}

// True when the partition is done, false when its index is full.
Result<bool> IndexRecovery::step_job(Job& job) {
  PartitionView& view = *job.partition->view;
  if (!job.begun) BATON_TRY(begin(job));
  while (job.next < log::Offset(view.reader().bounds().visible.value())) {
    if (view.index().full()) return false;
    BATON_TRY(feed_chunk(job));
  }
  job.partition->streams = job.streams;
  view.set_index_ready(true);
  return true;
}

Result<bool> IndexRecovery::step() {
  while (!jobs_.empty()) {
    Job& job = jobs_.back();
    auto done = step_job(job);
    if (done && !*done) return false;
    if (done) {
      jobs_.pop_back();
      continue;
    }
    // A run that was trusted is damaged: from the start then.
    const bool index_damaged = done.error().code == Code::corrupt && !job.partition->view->index().health() && !job.rebuild;
    if (!index_damaged) return std::move(done).error();
    job.rebuild = true;
    job.begun = false;
  }
  return true;
}

}  // namespace baton::store
