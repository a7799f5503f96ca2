// Allowance: the time and the memory that one query may take.
//
// SQLite looks at its progress handler only at some jumps of its machine, and 3.40 never while it prepares a statement. But it goes nowhere without memory: so the
// limits are kept where it asks for it, by thread, and a query that has used its allowance up gets none. (SQLite's own limit of its heap is the process's: it would
// end the writers of views, too. Files for what does not fit would write to the disk on which the log waits for its syncs.)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/env.h"

namespace baton::view {

// In force on its thread for its lifetime; one at a time.
class Allowance {
 public:
  enum class End { none, stop, time, memory };

  // `memory_max` is what SQLite may hold beyond what it holds on this thread now, in bytes. `stop` may be null.
  Allowance(const os::Clock& clock, std::int64_t timeout_ms, std::size_t memory_max, const std::atomic<bool>* stop);
  ~Allowance();
  Allowance(const Allowance&) = delete;
  Allowance& operator=(const Allowance&) = delete;

  // Of this thread; null when none is in force.
  [[nodiscard]] static Allowance* current();

  // Looks at the flag and at the clock. Once true it stays so.
  [[nodiscard]] bool is_over();
  [[nodiscard]] End end() const { return end_; }

  // SQLite asks for so much more: false, and it must not have it.
  [[nodiscard]] bool take(std::size_t bytes);
  void count(std::int64_t bytes) { held_ += bytes; }

 private:
  const os::Clock& clock_;
  const std::int64_t end_ns_;
  const std::int64_t memory_max_;
  const std::atomic<bool>* const stop_;
  std::int64_t held_ = 0;  // may be negative: what was there before is given back, too
  std::size_t asked_ = 0;
  End end_ = End::none;
};

// Gives SQLite memory functions that know allowances, around those that it has. Once, before SQLite starts.
void give_sqlite_counted_memory();

}  // namespace baton::view
