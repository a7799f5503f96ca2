#include "cli/import_append.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/try.h"

namespace baton::cli {

// What completions write.
struct EventAppender::Shared {
  explicit Shared(os::Env& env) : waiter(env.make_waiter()) {}
  std::mutex mutex;
  std::size_t in_flight = 0;
  std::uint64_t added = 0, duplicates = 0;
  Position position;
  bool failed = false;
  Error error;
  std::unique_ptr<os::Env::Waiter> waiter;

  void done(const Result<Appended>& result, std::uint64_t first_row, std::uint64_t last_row) {
    {
      const std::lock_guard lock(mutex);
      --in_flight;
      if (result) {
        for (const auto& event : result->events) ++(event.duplicate ? duplicates : added);
        position = result->position;
      } else if (!failed) {
        failed = true;
        error = result.error();
        error.detail = "rows " + std::to_string(first_row) + " to " + std::to_string(last_row) + ": " + error.detail;
      }
    }
    waiter->wake();
  }
};

EventAppender::EventAppender(os::Env& env, Store& store, const std::string& context, const ContextOptions& context_options, AppendOptions options)
    : store_(store), context_(context), options_(options), shared_(std::make_shared<Shared>(env)) {
  partitioner_ = store::parse_partitioner(context_options.partitioner).value_or(store::Partitioner::murmur2);
  for (std::int32_t i = 0; i < std::max(context_options.partitions, 1); ++i) batches_.push_back(empty_batch());
}

EventAppender::~EventAppender() { (void)wait_until_below(1); }

EventAppender::Batch EventAppender::empty_batch() const {
  Batch out;
  out.append.context = context_;
  out.append.duplicates = Append::Duplicates::skip;
  return out;
}

Status EventAppender::add(UnpackedEvent event, std::uint64_t row) {
  const auto count = static_cast<std::int32_t>(batches_.size());
  const auto partition = count == 1 ? 0 : store::partition_of(partitioner_, event.stream, count).value();
  Batch& batch = batches_[static_cast<std::size_t>(partition)];
  const auto bytes = event.stream.size() + event.event.data.size() + event.event.id.size() + 512;
  if (batch.events > 0 && (batch.events >= options_.events_max || batch.bytes + bytes > options_.bytes_max)) BATON_TRY(send(batch));
  batch.first_row = batch.events == 0 ? row : std::min(batch.first_row, row);
  batch.last_row = std::max(batch.last_row, row);
  ++batch.events;
  batch.bytes += bytes;
  auto& streams = batch.append.streams;
  // A stream may be named again further on: the order of the list is the order in the log.
  if (streams.empty() || streams.back().stream != event.stream) streams.push_back({.stream = std::move(event.stream), .condition = {}, .events = {}});
  streams.back().events.push_back(std::move(event.event));
  return {};
}

Status EventAppender::send(Batch& batch) {
  BATON_TRY(wait_until_below(options_.in_flight_max));
  {
    const std::lock_guard lock(shared_->mutex);
    ++shared_->in_flight;
  }
  auto sent = std::exchange(batch, empty_batch());
  store_.append_async(std::move(sent.append), [shared = shared_, first = sent.first_row, last = sent.last_row](const Result<Appended>& result) {
    shared->done(result, first, last);
  });
  return {};
}

Status EventAppender::wait_until_below(std::size_t below) {
  for (;;) {
    {
      const std::lock_guard lock(shared_->mutex);
      if (shared_->in_flight < below || shared_->in_flight == 0) {
        if (shared_->failed) return shared_->error;
        return {};
      }
    }
    (void)shared_->waiter->wait();
  }
}

Status EventAppender::drain() {
  for (auto& batch : batches_)
    if (batch.events > 0) BATON_TRY(send(batch));
  return wait_until_below(1);
}

std::uint64_t EventAppender::added() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->added;
}
std::uint64_t EventAppender::duplicates() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->duplicates;
}
Position EventAppender::position() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->position;
}

}  // namespace baton::cli
