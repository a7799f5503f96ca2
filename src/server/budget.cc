#include "server/budget.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace baton::server {

template <typename F>
void Budget::change(F&& f) {
  Resumed resumed;
  {
    const std::lock_guard guard(mutex_);
    f();
    resumed = wake();
  }
  for (auto& resume : resumed) resume();
}

std::uint64_t Budget::new_reader() {
  const std::lock_guard guard(mutex_);
  return ++last_reader_;
}

bool Budget::ask(std::uint64_t reader, std::int64_t now_ns, std::function<void()> resume) {
  const std::lock_guard guard(mutex_);
  // Nobody overtakes those who wait.
  if (waiting_.empty() && room()) {
    ++granted_;
    return true;
  }
  if (granted_ == 0 && in_handlers_ == 0 && (beyond_ == 0 || beyond_ == reader)) {
    beyond_ = reader;
    ++granted_;
    return true;
  }
  waiting_.push_back({reader, now_ns, std::move(resume)});
  return false;
}

Budget::Resumed Budget::wake() {
  Resumed out;
  while (!waiting_.empty() && room()) {
    out.push_back(std::move(waiting_.front().resume));
    waiting_.pop_front();
    ++granted_;
  }
  if (waiting_.empty() || granted_ > 0 || in_handlers_ > 0) return out;
  // All bytes belong to frames that are not complete.
  auto chosen = waiting_.begin();
  if (beyond_ != 0) chosen = std::ranges::find(waiting_, beyond_, &Waiting::reader);
  if (chosen == waiting_.end()) return out;  // it waits for its client, which has a time limit
  beyond_ = chosen->reader;
  out.push_back(std::move(chosen->resume));
  waiting_.erase(chosen);
  ++granted_;
  return out;
}

void Budget::redeem(std::uint64_t reader, std::uint64_t bytes) {
  change([&] {
    BATON_CHECK(granted_ > 0, "bytes were read without a grant");
    --granted_;
    used_ += bytes;
    if (bytes > 0) held_[reader] += bytes;
    if (bytes == 0 && beyond_ == reader) beyond_ = seen_beyond_ = 0;  // there was nothing to read: another one's turn
  });
}

void Budget::hand_over(std::uint64_t reader, std::uint64_t bytes) {
  change([&] {
    in_handlers_ += bytes;
    held_[reader] -= bytes;
    if (beyond_ == reader) beyond_ = seen_beyond_ = 0;
    if (must_go_ == reader) must_go_ = 0;
  });
}

void Budget::release(std::uint64_t bytes) {
  change([&] {
    BATON_CHECK(bytes <= in_handlers_ && bytes <= used_, "more bytes were released than are in use");
    in_handlers_ -= bytes;
    used_ -= bytes;
  });
}

void Budget::leave(std::uint64_t reader, std::uint64_t bytes) {
  change([&] {
    BATON_CHECK(bytes <= used_, "more bytes were released than are in use");
    used_ -= bytes;
    held_.erase(reader);
    if (beyond_ == reader) beyond_ = seen_beyond_ = 0;
    if (must_go_ == reader) must_go_ = 0;
    std::erase_if(waiting_, [&](const Waiting& w) { return w.reader == reader; });
  });
}

bool Budget::must_go(std::uint64_t reader, std::int64_t now_ns) {
  const std::lock_guard guard(mutex_);
  if (seen_beyond_ != beyond_) {
    seen_beyond_ = beyond_;
    seen_ns_ = now_ns;
  }
  const bool due = !waiting_.empty() && now_ns - waiting_.front().since_ns > patience_ns_ && used_ - in_handlers_ >= limit_ / 2;
  if (!due) {
    must_go_ = 0;
  } else if (must_go_ == 0 || now_ns - chosen_ns_ > patience_ns_ / 4) {
    must_go_ = choose(now_ns);
    chosen_ns_ = now_ns;
  }
  return must_go_ == reader;
}

// Not one that waits here itself: its client may be fast. First the one that could have gone on for long enough, then whoever else holds most.
std::uint64_t Budget::choose(std::int64_t now_ns) const {
  std::unordered_set<std::uint64_t> waiting;
  for (const Waiting& w : waiting_) waiting.insert(w.reader);
  if (beyond_ != 0 && !waiting.contains(beyond_) && now_ns - seen_ns_ > patience_ns_) return beyond_;
  std::uint64_t chosen = 0, most = 0;
  for (const auto& [reader, bytes] : held_) {
    if (bytes <= most || reader == beyond_ || waiting.contains(reader)) continue;
    most = bytes;
    chosen = reader;
  }
  return chosen;
}

std::uint64_t Budget::used() const {
  const std::lock_guard guard(mutex_);
  return used_;
}

std::size_t Budget::waiting() const {
  const std::lock_guard guard(mutex_);
  return waiting_.size();
}

}  // namespace baton::server
