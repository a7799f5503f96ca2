// Live views: a subscription that feeds the projector, a batch a transaction.
#include "base/try.h"
#include "view/views_state.h"

namespace baton::view {
namespace {
constexpr std::int64_t kWaitMs = 200;
constexpr std::int64_t kBusyNs = 2'000'000;      // then a view that somebody else writes is looked at again
constexpr std::int64_t kAbsentNs = 50'000'000;   // then it is looked whether the view's context is there
}

Status ViewManager::start(const std::string& name) {
  if (engine_ == nullptr) return Error{Code::unavailable, "a live view needs the log, and this program has opened views only"};
  BATON_TRY_ASSIGN(const Held held, hold(name));
  View& view = *held.view;
  if (view.live && view.live->running()) return {};
  BATON_TRY_ASSIGN(const auto stopped, stored_stop(view, view.current.live));
  if (stopped) return Error{Code::incompatible, *stopped};
  view.live = std::make_shared<Live>(*this, view);
  // Still with the mutex: who stops the view takes it, and finds it started or not there. The first step does not wait for it.
  view.live->start();
  return {};
}

void ViewManager::stop(const std::string& name) {
  const auto view = find(name);
  if (!view) return;
  std::shared_ptr<Live> live;
  {
    // A rebuild may have it for long: queries do not wait behind this.
    const std::lock_guard guard((*view)->mutex);
    live = std::move((*view)->live);
  }
  if (live) live->stop();
}

void ViewManager::Live::start() {
  running_ = true;
  executor_ = manager_.env_.make_executor("view-" + view_.name);
  // Its own name for the executor: stop() empties the pointer before the last step has ended.
  runner_ = executor_.get();
  runner_->post([this] { step(); });
}

void ViewManager::Live::stop() {
  stopping_ = true;
  executor_.reset();  // waits for the step under way: at most kWaitMs and a batch
  running_ = false;
}

void ViewManager::Live::step() {
  const Step done = stopping_ ? Step::ended : take_batch();
  if (done == Step::ended) {
    subscription_.reset();
    running_ = false;
  } else if (done == Step::busy || done == Step::absent) {
    runner_->run_at(manager_.env_.clock().monotonic_ns() + (done == Step::busy ? kBusyNs : kAbsentNs), [this] { step(); });
  } else {
    runner_->post([this] { step(); });
  }
}

ViewManager::Live::Step ViewManager::Live::ends(const Error& error) {
  if (!stopping_) manager_.warn("view '" + view_.name + "' is no longer live: " + error.detail);
  return Step::ended;
}

bool ViewManager::Live::is_behind() const {
  return view_.projector == nullptr || generation_ != view_.current.live || expected_ != view_.projector->checkpoint().position;
}

Status ViewManager::Live::subscribe() {
  BATON_TRY(begin_at_what_is_left(*manager_.engine_, *view_.projector));
  const ViewDefinition& definition = view_.projector->definition();
  const Position& position = view_.projector->checkpoint().position;
  SubscribeOptions options{.context = definition.context, .start = {}, .filter = {}};
  options.start.kind = position.is_beginning() ? StartAt::Kind::beginning : StartAt::Kind::position;
  options.start.position = position;
  options.filter.types = definition.types();
  BATON_TRY_ASSIGN(subscription_, manager_.engine_->subscribe(options));
  generation_ = view_.current.live;
  expected_ = position;
  return {};
}

ViewManager::Live::Step ViewManager::Live::take_batch() {
  // Whoever else writes the view may take its time, and may wait for what runs here.
  std::unique_lock lock(view_.mutex, std::try_to_lock);
  if (!lock.owns_lock()) return Step::busy;
  if (view_.projector == nullptr) {
    if (auto opened = manager_.open_projector(view_); !opened) return ends(opened.error());
    const auto stopped = manager_.stored_stop(view_, view_.current.live);
    if (!stopped) return ends(stopped.error());
    if (*stopped) return ends({Code::incompatible, **stopped});
  }
  if (subscription_ == nullptr || is_behind()) {
    const auto subscribed = subscribe();
    // A view may be there before the first event of its context is.
    if (!subscribed && subscribed.error().code == Code::not_found) return Step::absent;
    if (!subscribed) return ends(subscribed.error());
  }
  // Not held while there is nothing to do, so that a rebuild, a rollback or a catch_up() may come in between; is_behind() tells.
  lock.unlock();
  Status applied;
  auto got = subscription_->next(manager_.options_.batch_events, kWaitMs, [&](const EventView& event) {
    if (!lock.owns_lock()) {
      lock.lock();
      if (is_behind()) return false;
    }
    applied = view_.projector->apply(event);
    return applied.ok();
  });
  if (!lock.owns_lock()) lock.lock();
  if (is_behind()) {
    subscription_.reset();
    return Step::done;
  }
  if (!got || !applied) {
    view_.projector->rollback();
    subscription_.reset();
    if (!got) return ends(got.error());
    // feed() finds the event again, commits what came before it, and says why it stops.
    auto fed = manager_.apply(view_, INT64_MAX, {});
    return fed ? Step::done : ends(fed.error());
  }
  const Position reached = subscription_->position();
  if (reached.is_beginning() || reached == expected_) return Step::done;
  if (const std::int64_t removed = subscription_->removed(); removed > 0) {
    const ViewDefinition& definition = view_.projector->definition();
    view_.projector->rollback();
    subscription_.reset();
    return ends(lacks_removed(definition.name, definition.context, removed));
  }
  if (auto committed = view_.projector->commit(reached); !committed) return ends(committed.error());
  expected_ = reached;
  if (auto kept = manager_.after_commit(view_, view_.projector->checkpoint()); !kept) return ends(kept.error());
  return Step::done;
}

}  // namespace baton::view
