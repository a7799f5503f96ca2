#include "store/subscription.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/try.h"
#include "store/context_reads.h"
#include "store/context_scanner.h"
#include "store/position_codec.h"

namespace baton::store {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kPollFirstNs = 500'000;       // beside another process: between two looks, growing
constexpr std::size_t kReplayPieceBytes = 128u << 10;
constexpr std::int64_t kPollMaxNs = 20 * kNsPerMs;

class StoreSubscription final : public Subscription {
 public:
  StoreSubscription(const SubscriptionSource& source, std::string context, const SubscribeOptions& options,
                    std::unique_ptr<ContextScanner> scanner)
      : source_(source),
        context_(std::move(context)),
        live_wanted_(options.live),
        events_per_second_(options.events_per_second_max),
        waiter_(source.env->make_waiter()),
        scanner_(std::move(scanner)),
        allowed_(static_cast<double>(burst())),
        allowed_at_ns_(now()) {
    scanner_->set_pace([this](std::size_t bytes) { return rest(bytes); });
  }

  Result<std::size_t> next(std::size_t max, std::int64_t timeout_ms, const std::function<bool(const EventView&)>& visit) override;
  [[nodiscard]] Position position() const override { return scanner_->position(); }
  [[nodiscard]] std::int64_t removed() const override { return scanner_->removed(); }
  [[nodiscard]] bool at_end() const override { return !live_wanted_ && scanner_->at_end(); }
  [[nodiscard]] bool live() const override { return live_; }
  Status save_checkpoint(std::string_view name) override;
  void cancel() override {
    cancelled_.store(true, std::memory_order_release);
    waiter_->wake();
  }

 private:
  [[nodiscard]] std::int64_t now() const { return source_.env->clock().monotonic_ns(); }
  [[nodiscard]] Status check_cancelled() const;
  [[nodiscard]] Status check_store() const;
  [[nodiscard]] Result<bool> rest(std::size_t bytes);
  [[nodiscard]] Result<bool> wait_for_rest();
  [[nodiscard]] Status wait_until(std::int64_t deadline_ns);
  [[nodiscard]] Status wait_for_more(std::int64_t deadline_ns);
  [[nodiscard]] std::size_t burst() const { return std::max<std::size_t>(events_per_second_ / 10, 1); }
  [[nodiscard]] std::size_t allowed(std::size_t max, std::int64_t& wait_ns);

  const SubscriptionSource source_;
  const std::string context_;
  const bool live_wanted_;
  const std::size_t events_per_second_;
  std::atomic<bool> cancelled_{false};
  std::unique_ptr<os::Env::Waiter> waiter_;  // woken by cancel(), and by visible offsets while it is on the wake list
  std::unique_ptr<ContextScanner> scanner_;
  bool live_ = false;
  std::optional<std::int64_t> stop_at_ns_;   // the deadline of the call that is at work
  bool first_piece_ = false;                 // and it has looked at nothing yet
  std::int64_t rest_until_ns_ = 0;           // the pace asks for it
  double allowed_;                           // events that may be handed out now, with events_per_second_max
  std::int64_t allowed_at_ns_;
};

Status StoreSubscription::check_cancelled() const {
  if (!cancelled_.load(std::memory_order_acquire)) return {};
  return Error{Code::cancelled, "the subscription to " + context_ + " was cancelled"};
}

// A store of this process that was closed, or has failed. Beside a writer the look costs more, and is left to those that wait.
Status StoreSubscription::check_store() const { return source_.wake != nullptr && source_.look ? source_.look() : Status(); }

// Waits for the time, cancelled by cancel().
Status StoreSubscription::wait_until(std::int64_t deadline_ns) {
  for (;;) {
    BATON_TRY(check_cancelled());
    const std::int64_t at = now();
    if (deadline_ns <= at) return {};
    (void)waiter_->wait(deadline_ns - at);
  }
}

// The pace of the scanner: between two pieces of the log. False: the call's time is over. What the pace asks for beyond that is for the next call to
// wait, so that many short calls read no faster than a long one; but each gets one piece further that finds nothing to wait for.
Result<bool> StoreSubscription::rest(std::size_t bytes) {
  // What was just appended is handed on at once; history, and what a slow reader has left behind, comes in large pieces.
  if (source_.pace != nullptr && !(live_ && bytes < kReplayPieceBytes)) {
    if (const std::int64_t rest_ns = source_.pace->took(bytes); rest_ns > 0) rest_until_ns_ = now() + rest_ns;
  }
  BATON_TRY_ASSIGN(const bool rested, wait_for_rest());
  const bool first = std::exchange(first_piece_, false);
  return rested && (first || !stop_at_ns_ || now() < *stop_at_ns_);
}

// As long as the call may take; false: that was not long enough.
Result<bool> StoreSubscription::wait_for_rest() {
  BATON_TRY(wait_until(std::min(rest_until_ns_, stop_at_ns_.value_or(INT64_MAX))));
  return now() >= rest_until_ns_;
}

// How many events may be handed out now; when none, `wait_ns` is how long until one may.
std::size_t StoreSubscription::allowed(std::size_t max, std::int64_t& wait_ns) {
  wait_ns = 0;
  if (events_per_second_ == 0) return max;
  const auto rate = static_cast<double>(events_per_second_);
  const std::int64_t at = now();
  allowed_ = std::min(static_cast<double>(burst()), allowed_ + static_cast<double>(at - allowed_at_ns_) * rate / kNsPerSecond);
  allowed_at_ns_ = at;
  if (allowed_ >= 1) return std::min(max, static_cast<std::size_t>(allowed_));
  wait_ns = static_cast<std::int64_t>((1 - allowed_) * kNsPerSecond / rate) + 1;
  return 0;
}

// Until there is something behind the end that was seen, or the deadline. Registered before the last look, so that nothing is missed.
Status StoreSubscription::wait_for_more(std::int64_t deadline_ns) {
  struct Registration {
    WakeList* list;
    os::Env::Waiter* waiter;
    Registration(WakeList* l, os::Env::Waiter* w) : list(l), waiter(w) {
      if (list != nullptr) list->add(waiter);
    }
    ~Registration() {
      if (list != nullptr) list->remove(waiter);
    }
  } registration(source_.wake, waiter_.get());
  for (std::int64_t poll_ns = kPollFirstNs;; poll_ns = std::min(poll_ns * 2, kPollMaxNs)) {
    BATON_TRY(check_cancelled());
    if (source_.look) BATON_TRY(source_.look());
    scanner_->extend();
    if (!scanner_->at_end()) return {};
    const std::int64_t left = deadline_ns - now();
    if (left <= 0) return {};
    (void)waiter_->wait(source_.wake != nullptr ? left : std::min(left, poll_ns));
  }
}

Result<std::size_t> StoreSubscription::next(std::size_t max, std::int64_t timeout_ms, const std::function<bool(const EventView&)>& visit) {
  // Far enough away for 'no limit', and no overflow.
  constexpr std::int64_t kTimeoutMsMax = std::int64_t{1} << 40;
  const std::int64_t deadline = now() + std::clamp<std::int64_t>(timeout_ms, 0, kTimeoutMsMax) * kNsPerMs;
  if (max == 0) return std::size_t{0};
  BATON_TRY(check_store());
  // Without a time to wait all is looked at that is there now, however few of it match; and so it is by one that ends.
  stop_at_ns_ = live_wanted_ && timeout_ms > 0 ? std::optional(deadline) : std::nullopt;
  first_piece_ = true;
  bool extended = false;
  const auto visit_uncancelled = [&](const EventView& event) { return visit(event) && !cancelled_.load(std::memory_order_acquire); };
  BATON_TRY_ASSIGN(const bool rested, wait_for_rest());
  if (!rested) return std::size_t{0};
  for (;;) {
    BATON_TRY(check_cancelled());
    std::int64_t wait_ns = 0;
    const std::size_t may = allowed(max, wait_ns);
    if (may == 0) {
      if (now() >= deadline) return std::size_t{0};
      BATON_TRY(wait_until(std::min(deadline, now() + wait_ns)));
      continue;
    }
    BATON_TRY_ASSIGN(const std::size_t count, scanner_->run(may, visit_uncancelled));
    if (events_per_second_ > 0) allowed_ -= static_cast<double>(count);
    if (count > 0) return count;
    if (!live_wanted_) return std::size_t{0};  // at the end
    if (stop_at_ns_ && now() >= deadline && !scanner_->at_end()) return std::size_t{0};
    BATON_TRY(wait_for_more(now()));           // a look, without waiting
    if (!scanner_->at_end()) {
      if (std::exchange(extended, true) && now() >= deadline) return std::size_t{0};
      continue;
    }
    live_ = true;
    if (now() >= deadline) return std::size_t{0};
    BATON_TRY(wait_for_more(deadline));
    if (scanner_->at_end()) return std::size_t{0};
  }
}

Status StoreSubscription::save_checkpoint(std::string_view name) {
  if (source_.checkpoints == nullptr || source_.read_only) {
    return Error{Code::read_only, "checkpoint '" + std::string(name) + "' cannot be saved: the store is open read-only"};
  }
  BATON_TRY(check_store());  // the directory may be another's by now
  return source_.checkpoints->save(name, context_, position());
}

// The position before the first event appended at or after a time: per partition the one before it, or the end.
Result<Position> position_before(const ContextView& context, Time time) {
  const std::int64_t ms = time.ns / kNsPerMs + (time.ns % kNsPerMs > 0 ? 1 : 0);
  PositionContext positions(context.id, static_cast<std::int32_t>(context.partitions.size()));
  for (std::size_t p = 0; p < context.partitions.size(); ++p) {
    const log::PartitionReader& reader = context.partitions[p]->reader();
    std::int64_t next = context.partitions[p]->end().value();
    BATON_TRY_ASSIGN(const auto found, reader.find_time(ms));
    if (found) next = std::min(next, found->offset.value());
    // What a retention has removed may have been before that time or behind it: it begins with what is left.
    next = std::max(next, reader.bounds().log_start.value());
    if (next == 0) continue;
    BATON_TRY_ASSIGN(const log::Epoch epoch, epoch_at(reader, log::Offset(next - 1)));
    positions.saw(log::PartitionId(static_cast<std::int32_t>(p)), next - 1, epoch);
  }
  return positions.position();
}

}  // namespace

Result<Position> start_position(const ContextView& context, const StartAt& start, const CheckpointStore* stored) {
  switch (start.kind) {
    case StartAt::Kind::beginning: return Position{};
    case StartAt::Kind::end: return position_at(context, std::nullopt);
    case StartAt::Kind::position: return start.position;
    case StartAt::Kind::time: return position_before(context, start.time);
    case StartAt::Kind::checkpoint: {
      if (stored == nullptr) return Position{};
      BATON_TRY_ASSIGN(auto position, stored->load(start.checkpoint, context.name));
      return std::move(position).value_or(Position{});
    }
  }
  return Error{Code::invalid_argument, "a subscription starts at the beginning, the end, a position, a time, or a checkpoint"};
}

Result<std::unique_ptr<Subscription>> subscribe(const SubscriptionSource& source, std::shared_ptr<const ContextView> context,
                                                const SubscribeOptions& options) {
  ReadContext request;
  request.context = context->name;
  request.filter = options.filter;
  BATON_TRY_ASSIGN(request.after, start_position(*context, options.start, source.checkpoints));
  std::string name = context->name;
  BATON_TRY_ASSIGN(auto scanner, ContextScanner::start(std::move(context), request));
  return std::unique_ptr<Subscription>(std::make_unique<StoreSubscription>(source, std::move(name), options, std::move(scanner)));
}

Status lower_checkpoints(CheckpointStore& checkpoints, const ReadView& view) {
  return checkpoints.lower([&](const StoredCheckpoint& checkpoint) -> Result<std::optional<Position>> {
    const auto context = view.find(checkpoint.context);
    const auto parts = parse_position(checkpoint.position);
    // One that is not of this store's context is refused when it is used.
    if (context == nullptr || !parts || parts->topic != topic_text(context->id) || parts->offsets.size() != context->partitions.size()) {
      return std::optional<Position>();
    }
    PositionContext lowered(context->id, static_cast<std::int32_t>(parts->offsets.size()));
    bool moved = false;
    for (std::size_t p = 0; p < parts->offsets.size(); ++p) {
      const log::PartitionReader& reader = context->partitions[p]->reader();
      const log::Bounds bounds = reader.bounds();
      std::int64_t end = bounds.visible.value();
      if (parts->epoch <= bounds.epoch) {
        if (const auto of_epoch = reader.epoch_end(parts->epoch)) end = std::min(end, of_epoch->value());
      } else {
        moved = true;  // the epoch itself was lost
      }
      std::int64_t offset = parts->offsets[p];
      if (offset >= end) {
        offset = end - 1;
        moved = true;
      }
      if (offset >= 0) lowered.saw(log::PartitionId(static_cast<std::int32_t>(p)), offset, std::min(parts->epoch, bounds.epoch));
    }
    if (!moved) return std::optional<Position>();
    return std::optional(lowered.position());
  });
}

}  // namespace baton::store
