#include "kafka/fetch_operation.h"

#include <algorithm>
#include <deque>
#include <map>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"
#include "os/socket.h"

namespace baton::kafka {
namespace {

constexpr std::int16_t kFirstWithBatches = 4;
constexpr std::int16_t kFirstWithIds = 13;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kCopiedBytes = 16u << 10;  // fewer are cheaper to copy than to send by a call of their own
constexpr std::size_t kColdReadBytes = 256u << 10;

}  // namespace

FetchOperation::FetchOperation(Session& session, std::shared_ptr<Call> call, const wire::FetchRequest& request)
    : session_(&session),
      call_(std::move(call)),
      committed_only_(request.isolation_level == 1),
      bytes_min_(static_cast<std::size_t>(std::max(request.min_bytes, 0))),
      bytes_max_(static_cast<std::size_t>(std::clamp(request.max_bytes, 0, call_->node().limits.fetch_bytes_max))),
      wait_ms_(std::clamp(request.max_wait_ms, 0, call_->node().limits.fetch_wait_ms_max)) {
  open_slots(request);
}

FetchOperation::~FetchOperation() {
  if (timer_) (void)call_->core().cancel(*timer_);
}

void FetchOperation::open_slots(const wire::FetchRequest& request) {
  const auto view = call_->broker().view();
  std::map<const store::TopicView*, std::vector<bool>> asked;  // a partition that is named again is answered once
  for (const auto& topic : request.topics) {
    const auto name = call_->version() < kFirstWithIds ? topic.topic : std::string_view();
    const auto found = view == nullptr ? nullptr : find_topic(*view, name, topic.topic_id);
    const bool by_unknown_id = found == nullptr && call_->version() >= kFirstWithIds;
    const bool may = by_unknown_id || call_->may(Operation::read, Resource::topic, found == nullptr ? topic.topic : found->name);
    wire::FetchResponse::FetchableTopicResponse* out = nullptr;  // once there is something in it: what waits keeps nothing of a topic without partitions
    std::vector<bool>* const of_topic = found == nullptr ? nullptr : &asked.try_emplace(found.get(), found->partitions.size()).first->second;
    for (const auto& partition : topic.partitions) {
      const auto number = static_cast<std::size_t>(partition.partition);  // a negative one is beyond any
      if (of_topic != nullptr && number < of_topic->size()) {
        if ((*of_topic)[number]) continue;
        (*of_topic)[number] = true;
      }
      if (out == nullptr) {
        out = &response_.responses.emplace_back();
        out->topic = std::string(topic.topic);
        out->topic_id = topic.topic_id;
      }
      out->partitions.emplace_back().partition_index = partition.partition;
      if (may) {
        slots_.push_back(open_slot(found, partition));
      } else {
        slots_.emplace_back().error = wire::ErrorCode::topic_authorization_failed;
      }
      failed_ = failed_ || slots_.back().error != wire::ErrorCode::none || !slots_.back().diverging.is_default();
    }
  }
}

FetchOperation::Slot FetchOperation::open_slot(const std::shared_ptr<const store::TopicView>& topic,
                                               const wire::FetchRequest::FetchPartition& asked) const {
  Slot slot;
  const auto refuse = [&](wire::ErrorCode error) {
    slot.topic = nullptr;
    slot.error = error;
    return slot;
  };
  if (call_->version() < kFirstWithBatches) return refuse(wire::ErrorCode::unsupported_version);
  if (topic == nullptr && call_->version() >= kFirstWithIds) return refuse(wire::ErrorCode::unknown_topic_id);
  const auto error = check_partition(topic.get(), asked.partition, asked.current_leader_epoch, call_->broker().epoch());
  if (error != wire::ErrorCode::none) return refuse(error);
  slot.topic = topic;
  slot.partition = log::PartitionId(asked.partition);
  slot.from = log::Offset(asked.fetch_offset);
  slot.bytes_max = static_cast<std::size_t>(std::max(asked.partition_max_bytes, 0));
  const log::PartitionReader& reader = *topic->partitions[static_cast<std::size_t>(asked.partition)];
  if (asked.last_fetched_epoch >= 0) {
    // What the client has read was of another log when its last epoch ended earlier here (KIP-595).
    const auto end = reader.epoch_end(log::Epoch(asked.last_fetched_epoch));
    if (!end) slot.error = wire::ErrorCode::offset_out_of_range;
    if (end && *end < slot.from) slot.diverging = {.epoch = asked.last_fetched_epoch, .end_offset = end->value()};
    if (!end || *end < slot.from) return slot;
  }
  const log::Bounds bounds = reader.bounds();
  if (slot.from < bounds.log_start || slot.from.value() > bounds.visible.value()) slot.error = wire::ErrorCode::offset_out_of_range;
  return slot;
}

void FetchOperation::start() {
  if (read()) return finish();
  wait();
}

log::Offset FetchOperation::end_of(const Slot& slot) const {
  const log::Bounds bounds = slot.topic->partitions[static_cast<std::size_t>(slot.partition.value())]->bounds();
  return log::Offset(committed_only_ ? std::min(bounds.visible.value(), bounds.last_stable.value()) : bounds.visible.value());
}

bool FetchOperation::is_enough() const { return failed_ || wait_ms_ == 0 || slots_.empty() || bytes_ >= bytes_min_; }

bool FetchOperation::read() {
  bytes_ = 0;
  for (Slot& slot : slots_) {
    if (slot.error == wire::ErrorCode::none) read_slot(slot);
  }
  return is_enough() || std::ranges::any_of(slots_, &Slot::full);
}

void FetchOperation::read_slot(Slot& slot) {
  slot.found.reset();
  slot.full = false;
  if (!slot.diverging.is_default()) return;
  const log::Offset end = end_of(slot);
  if (slot.from >= end) return;
  const std::size_t room = std::min(bytes_max_ - std::min(bytes_, bytes_max_), slot.bytes_max);
  // The first batch of a reply is sent whatever its size, so that a consumer gets past it (KIP-74).
  if (room == 0 && bytes_ > 0) {
    slot.full = true;
    return;
  }
  const auto& reader = slot.topic->partitions[static_cast<std::size_t>(slot.partition.value())];
  auto found = reader->slice(slot.from, room, end);
  if (!found) {
    slot.error = read_error(found.error());
    failed_ = true;
    return;
  }
  if (!*found) return;
  if ((*found)->length > room && bytes_ > 0) {
    slot.full = true;
    return;
  }
  bytes_ += (*found)->length;
  slot.full = (*found)->next < end;
  slot.found = *std::move(found);
}

bool FetchOperation::is_warm() const {
  return std::ranges::all_of(slots_, [](const Slot& slot) {
    return !slot.found || os::in_page_cache(*slot.found->file, slot.found->offset, slot.found->length);
  });
}

void FetchOperation::finish() {
  finished_ = true;
  if (timer_) (void)call_->core().cancel(*std::exchange(timer_, std::nullopt));
  net::Readers* const readers = call_->node().cold_reads;
  if (readers == nullptr || is_warm()) return answer();
  // Not on this thread, which others wait for.
  std::vector<log::PartitionReader::Slice> cold;
  for (const Slot& slot : slots_) {
    if (slot.found) cold.push_back(*slot.found);
  }
  keep();
  const bool taken = readers->post([weak = weak_from_this(), &core = call_->core(), cold = std::move(cold)] {
    base::Bytes scratch(kColdReadBytes);
    for (const auto& slice : cold) {
      for (std::uint64_t at = 0; at < slice.length; at += scratch.size()) {
        // An error is the sender's to meet.
        const auto part = base::MutableByteView(scratch).first(std::min<std::uint64_t>(scratch.size(), slice.length - at));
        if (!slice.file->read_at(slice.offset + at, part)) break;
      }
    }
    core.post([weak] {
      if (const auto self = weak.lock()) self->answer();
    });
  });
  if (!taken) answer();
}

// While it is on its way, it is the session's.
void FetchOperation::keep() {
  if (!std::exchange(kept_, true)) session_->keep(shared_from_this());
}

void FetchOperation::wait() {
  std::vector<log::PartitionKey> partitions;
  for (const Slot& slot : slots_) partitions.push_back({slot.topic->id, slot.partition});
  keep();
  waiter_ = call_->broker().fetch_waiters().wait(std::move(partitions), [weak = weak_from_this(), &core = call_->core()] {
    core.post([weak] {
      if (const auto self = weak.lock()) self->woken();
    });
  });
  timer_ = call_->core().run_at(call_->node().clock.monotonic_ns() + wait_ms_ * kNsPerMs, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->timer_.reset();
      if (!self->finished_) self->finish();
    }
  });
  woken();  // what came between the read and the registration
}

void FetchOperation::woken() {
  if (waiter_ != nullptr && !finished_ && read()) finish();
}

void FetchOperation::end() {
  if (!finished_) finish();
}

// Of what was asked for before the wait.
void FetchOperation::forget_removed_topics() {
  const auto view = call_->broker().view();
  for (Slot& slot : slots_) {
    if (slot.topic == nullptr || view == nullptr || view->find_topic(slot.topic->id) != nullptr) continue;
    slot = Slot();
    slot.error = wire::ErrorCode::unknown_topic_or_partition;  // as Kafka says it, also to who asked by id
  }
}

void FetchOperation::answer() {
  const bool waited = waiter_ != nullptr;
  if (waited) forget_removed_topics();
  std::vector<net::FileSlice> files;
  std::deque<base::Bytes> copies;  // where they are is where they stay
  std::size_t number = 0;
  for (auto& topic : response_.responses) {
    for (auto& out : topic.partitions) {
      const Slot& slot = slots_[number++];
      out.error_code = slot.error;
      out.high_watermark = -1;
      out.records.emplace();  // none is empty, not null
      if (slot.found && slot.found->length <= kCopiedBytes) {
        auto& copy = copies.emplace_back(slot.found->length);
        if (const auto got = slot.found->file->read_at(slot.found->offset, copy); got && *got == copy.size()) {
          out.records = wire::Records{.bytes = copy};
        } else {
          out.error_code = wire::ErrorCode::kafka_storage_error;
        }
      } else if (slot.found) {
        out.records = wire::Records{.bytes = {}, .elsewhere_bytes = static_cast<std::uint32_t>(slot.found->length), .source = files.size()};
        files.push_back({.file = slot.found->file, .offset = slot.found->offset, .length = slot.found->length, .after = {}});
      }
      const bool unknown = slot.error == wire::ErrorCode::unknown_topic_or_partition || slot.error == wire::ErrorCode::unknown_topic_id ||
                           slot.error == wire::ErrorCode::topic_authorization_failed;
      if (!unknown || waited) out.aborted_transactions.reset();  // null or empty as with Kafka
      if (slot.topic == nullptr) continue;
      const log::Bounds bounds = slot.topic->partitions[static_cast<std::size_t>(slot.partition.value())]->bounds();
      if (slot.error == wire::ErrorCode::offset_out_of_range) continue;
      out.high_watermark = bounds.visible.value();
      out.last_stable_offset = bounds.last_stable.value();
      out.log_start_offset = bounds.log_start.value();
      out.diverging_epoch = slot.diverging;
      if (committed_only_) out.aborted_transactions.emplace();
    }
  }
  const auto pause = call_->broker().quotas().use(broker::Rate::consumed, Call::user(), call_->client_id(), bytes_, call_->node().clock.monotonic_ns());
  response_.throttle_time_ms = static_cast<std::int32_t>(pause);
  call_->pause(pause);
  call_->reply(response_, std::move(files));
  waiter_.reset();
  if (kept_) session_->drop(this);
}

}  // namespace baton::kafka
