#include "kafka/fetch_operation.h"

#include <algorithm>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

constexpr std::int16_t kFirstWithBatches = 4;
constexpr std::int16_t kFirstWithIds = 13;
constexpr std::int64_t kNsPerMs = 1'000'000;

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
  for (const auto& topic : request.topics) {
    auto& out = response_.responses.emplace_back();
    out.topic = std::string(topic.topic);
    out.topic_id = topic.topic_id;
    const auto name = call_->version() < kFirstWithIds ? topic.topic : std::string_view();
    const auto found = view == nullptr ? nullptr : find_topic(*view, name, topic.topic_id);
    for (const auto& partition : topic.partitions) {
      out.partitions.emplace_back().partition_index = partition.partition;
      slots_.push_back(open_slot(found, partition));
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
  slot.next = log::Offset(asked.fetch_offset);
  slot.bytes_max = static_cast<std::size_t>(std::max(asked.partition_max_bytes, 0));
  const log::PartitionReader& reader = *topic->partitions[static_cast<std::size_t>(asked.partition)];
  if (asked.last_fetched_epoch >= 0) {
    // What the client has read was of another log when its last epoch ended earlier here (KIP-595).
    const auto end = reader.epoch_end(log::Epoch(asked.last_fetched_epoch));
    if (!end) slot.error = wire::ErrorCode::offset_out_of_range;
    if (end && *end < slot.next) slot.diverging = {.epoch = asked.last_fetched_epoch, .end_offset = end->value()};
    if (!end || *end < slot.next) return slot;
  }
  const log::Bounds bounds = reader.bounds();
  if (slot.next < bounds.log_start || slot.next.value() > bounds.visible.value()) slot.error = wire::ErrorCode::offset_out_of_range;
  return slot;
}

void FetchOperation::start() {
  if (read()) return answer();
  wait();
}

log::Offset FetchOperation::end_of(const Slot& slot) const {
  const log::Bounds bounds = slot.topic->partitions[static_cast<std::size_t>(slot.partition.value())]->bounds();
  return log::Offset(committed_only_ ? std::min(bounds.visible.value(), bounds.last_stable.value()) : bounds.visible.value());
}

bool FetchOperation::is_enough() const { return failed_ || wait_ms_ == 0 || slots_.empty() || bytes_ >= bytes_min_; }

bool FetchOperation::read() {
  for (Slot& slot : slots_) {
    if (slot.error == wire::ErrorCode::none && !slot.full) read_slot(slot);
  }
  return is_enough() || std::ranges::any_of(slots_, &Slot::full);
}

void FetchOperation::read_slot(Slot& slot) {
  if (!slot.diverging.is_default()) return;
  const log::Offset end = end_of(slot);
  if (slot.next >= end) return;
  const std::size_t room = std::min(bytes_max_ - std::min(bytes_, bytes_max_), slot.bytes_max - std::min(slot.records.size(), slot.bytes_max));
  // The first batch of a reply is sent whatever its size, so that a consumer gets past it (KIP-74).
  if (room == 0 && bytes_ > 0) {
    slot.full = true;
    return;
  }
  const auto& reader = slot.topic->partitions[static_cast<std::size_t>(slot.partition.value())];
  const std::size_t before = slot.records.size();
  const auto got = reader->read(slot.next, std::max<std::size_t>(room, 1), slot.records, end);
  if (!got) {
    // What was read before is good, and is sent; the next fetch meets the error.
    slot.records.resize(before);
    if (before == 0) slot.error = read_error(got.error());
    failed_ = true;
    return;
  }
  if (!got->first) return;
  const std::size_t more = slot.records.size() - before;
  if (more > room && bytes_ > 0) {
    slot.records.resize(before);
    slot.full = true;
    return;
  }
  bytes_ += more;
  slot.next = got->next;
  slot.full = got->next < end;
}

void FetchOperation::wait() {
  std::vector<log::PartitionKey> partitions;
  for (const Slot& slot : slots_) partitions.push_back({slot.topic->id, slot.partition});
  session_->keep(shared_from_this());
  waiter_ = call_->broker().fetch_waiters().wait(std::move(partitions), [weak = weak_from_this(), &core = call_->core()] {
    core.post([weak] {
      if (const auto self = weak.lock()) self->woken();
    });
  });
  timer_ = call_->core().run_at(call_->node().clock.monotonic_ns() + wait_ms_ * kNsPerMs, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->timer_.reset();
      self->answer();
    }
  });
  woken();  // what came between the read and the registration
}

void FetchOperation::woken() {
  if (waiter_ != nullptr && read()) answer();
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
  if (timer_) (void)call_->core().cancel(*std::exchange(timer_, std::nullopt));
  const bool waited = waiter_ != nullptr;
  if (waited) forget_removed_topics();
  std::size_t number = 0;
  for (auto& topic : response_.responses) {
    for (auto& out : topic.partitions) {
      const Slot& slot = slots_[number++];
      out.error_code = slot.error;
      out.high_watermark = -1;
      out.records = wire::Records{.bytes = slot.records};
      const bool unknown = slot.error == wire::ErrorCode::unknown_topic_or_partition || slot.error == wire::ErrorCode::unknown_topic_id;
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
  call_->reply(response_);
  if (std::exchange(waiter_, nullptr) != nullptr) session_->drop(this);
}

}  // namespace baton::kafka
