// An engine in memory for the tests of view/: a log of events that may grow while it is read. Positions are "p<number of events>".
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/time.h"
#include "base/try.h"
#include "engine/engine.h"
#include "os/env.h"

namespace baton::view {

struct FakeEvent {
  std::string type, data, stream, id, time_text;
  std::int64_t version = 0;
  std::int64_t recorded_ms = 0;
  std::string tenant;
  std::string content_type = "application/json";
  std::string system;
  std::string number;  // of its position
};

class FakeEngine final : public engine::Engine {
 public:
  explicit FakeEngine(os::Env& env) : env_(env) {}

  void add(std::string type, std::string data, std::string stream = "s-1", std::string time = "2024-01-01T00:00:00Z") {
    const std::lock_guard guard(mutex_);
    FakeEvent event{
        .type = std::move(type), .data = std::move(data), .stream = std::move(stream), .time_text = std::move(time)};
    const auto n = static_cast<std::int64_t>(events_.size());
    event.id = "e" + std::to_string(n);
    event.version = n;
    event.recorded_ms = 1'700'000'000'000 + n * 1000;
    event.tenant = "t" + std::to_string(n % 3);
    event.number = "p" + std::to_string(n + 1);
    events_.push_back(std::move(event));
  }
  FakeEvent& at(std::size_t n) { return events_[n]; }
  [[nodiscard]] std::size_t size() const { return events_.size(); }
  // As after a restore: positions beyond it are lost.
  void cut(std::size_t n) { events_.resize(n); }
  void fail_in(std::size_t events) { fail_in_ = events; }

  engine::Capabilities capabilities() const override { return {}; }
  Result<ContextInfo> context(const std::string& name) override { return ContextInfo{.name = name}; }
  Result<Appended> append(Append) override { return Error{Code::unavailable, "the fake engine does not append"}; }
  void append_async(Append, AppendDone done) override { done(Error{Code::unavailable, "no"}); }

  Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) override {
    auto next = number_of(request.after);
    if (!next) return next.error();
    std::size_t end = size_now();
    if (request.as_of.position) {
      auto last = number_of(*request.as_of.position);
      if (!last) return last.error();
      end = static_cast<std::size_t>(*last);
    }
    auto i = std::max(static_cast<std::size_t>(*next), removed_);
    const auto removed = static_cast<std::int64_t>(std::min(i, std::max(end, static_cast<std::size_t>(*next)))) - *next;
    for (; i < end; ++i) {
      const FakeEvent& event = event_at(i);
      if (fail_in_ > 0 && --fail_in_ == 0) return Error{Code::io_error, "the disk is gone"};
      if (request.as_of.time && base::parse_rfc3339_ns(event.time_text).value_or(0) > request.as_of.time->ns) continue;
      if (!wanted(request.filter, event)) continue;
      if (remove_while_read_) removed_ = *std::exchange(remove_while_read_, std::nullopt);
      if (!visit(view_of(event, i))) return Scanned{position(i + 1), removed};
    }
    return Scanned{position(i), removed};
  }
  Result<std::int64_t> rank(const std::string&, const Position& p) override { return number_of(p); }
  Result<std::vector<std::int64_t>> next_offsets(const std::string&, const Position& p) override {
    BATON_TRY_ASSIGN(const std::int64_t n, number_of(p));
    return std::vector<std::int64_t>{n};
  }
  Result<Position> start_of(const std::string&) override { return position(removed_); }
  // A retention takes the first n events.
  void remove_before(std::size_t n) { removed_ = n; }
  // The same, but when the next event is handed out.
  void remove_while_read(std::size_t n) { remove_while_read_ = n; }
  Result<Position> position_at(const std::string&, std::optional<Time> recorded) override {
    std::size_t n = size_now();
    if (recorded) {
      while (n > 0 && event_at(n - 1).recorded_ms * 1'000'000 > recorded->ns) --n;
    }
    return position(n);
  }
  Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) override {
    return std::unique_ptr<Subscription>(std::make_unique<FakeSubscription>(*this, options));
  }

  static Position position(std::size_t n) { return Position{n == 0 ? "" : "p" + std::to_string(n)}; }

 private:
  class FakeSubscription final : public Subscription {
   public:
    FakeSubscription(FakeEngine& engine, const SubscribeOptions& options)
        : engine_(engine), options_(options), position_(options.start.position) {}
    Result<std::size_t> next(std::size_t max, std::int64_t timeout_ms,
                             const std::function<bool(const EventView&)>& visit) override {
      std::size_t count = 0;
      for (int i = 0; i < 2; ++i) {
        auto reached =
            engine_.scan({.context = options_.context, .after = position_, .filter = options_.filter}, [&](const EventView& e) {
              ++count;
              return visit(e) && count < max;
            });
        if (!reached) return reached.error();
        position_ = reached->position;
        removed_ += reached->removed;
        if (count > 0 || timeout_ms == 0) break;
        (void)engine_.env_.make_waiter()->wait(1'000'000);
      }
      return count;
    }
    Position position() const override { return position_; }
    std::int64_t removed() const override { return removed_; }
    bool at_end() const override { return false; }
    bool live() const override { return true; }
    Status save_checkpoint(std::string_view) override { return {}; }
    void cancel() override {}

   private:
    FakeEngine& engine_;
    SubscribeOptions options_;
    Position position_;
    std::int64_t removed_ = 0;
  };

  std::size_t size_now() const {
    const std::lock_guard guard(mutex_);
    return events_.size();
  }
  const FakeEvent& event_at(std::size_t i) const {
    const std::lock_guard guard(mutex_);
    return events_[i];
  }
  Result<std::int64_t> number_of(const Position& p) const {
    if (p.token.empty()) return std::int64_t{0};
    std::int64_t n = -1;
    (void)std::from_chars(p.token.data() + 1, p.token.data() + p.token.size(), n);
    if (p.token[0] != 'p' || n < 0 || n > static_cast<std::int64_t>(size_now()))
      return Error{Code::position_lost, "position " + p.token + " is lost"};
    return n;
  }
  static bool wanted(const Filter& filter, const FakeEvent& event) {
    if (filter.types.empty()) return true;
    return std::ranges::find(filter.types, event.type) != filter.types.end();
  }
  static EventView view_of(const FakeEvent& event, std::size_t i) {
    EventView view;
    view.context = "rides";
    view.stream = event.stream;
    view.version = event.version;
    view.offset = static_cast<std::int64_t>(i);
    view.recorded_ms = event.recorded_ms;
    view.time_text = event.time_text;
    view.type = event.type;
    view.id = event.id;
    view.source = "/contexts/rides";
    view.content_type = event.content_type;
    view.data = event.data;
    view.tenant = event.tenant;
    view.system = event.system;
    view.position_context = &event;
    return view;
  }

  os::Env& env_;
  mutable std::mutex mutex_;
  std::deque<FakeEvent> events_;  // whose elements never move
  std::size_t fail_in_ = 0;
  std::size_t removed_ = 0;
  std::optional<std::size_t> remove_while_read_;
};

}  // namespace baton::view

// The store's own is not linked here.
inline baton::Position fake_position(const baton::EventView& event) {
  return baton::Position{static_cast<const baton::view::FakeEvent*>(event.position_context)->number};
}
