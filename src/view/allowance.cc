#include "view/allowance.h"

#include <sqlite3.h>

#include "base/check.h"

namespace baton::view {
namespace {

constexpr std::size_t kLargeBytes = 4096;  // what takes so much may take long, too
constexpr std::size_t kSmallPerLook = 16;

thread_local Allowance* current_allowance = nullptr;
sqlite3_mem_methods beneath;

void* counted_malloc(int bytes) {
  Allowance* const allowance = current_allowance;
  if (allowance == nullptr) return beneath.xMalloc(bytes);
  if (!allowance->take(static_cast<std::size_t>(bytes))) return nullptr;
  void* const memory = beneath.xMalloc(bytes);
  if (memory != nullptr) allowance->count(beneath.xSize(memory));
  return memory;
}

void counted_free(void* memory) {
  if (current_allowance != nullptr) current_allowance->count(-beneath.xSize(memory));
  beneath.xFree(memory);
}

void* counted_realloc(void* memory, int bytes) {
  Allowance* const allowance = current_allowance;
  if (allowance == nullptr) return beneath.xRealloc(memory, bytes);
  const int before = beneath.xSize(memory);
  if (bytes > before && !allowance->take(static_cast<std::size_t>(bytes - before))) return nullptr;
  void* const moved = beneath.xRealloc(memory, bytes);
  if (moved != nullptr) allowance->count(beneath.xSize(moved) - before);
  return moved;
}

}  // namespace

Allowance::Allowance(const os::Clock& clock, std::int64_t timeout_ms, std::size_t memory_max, const std::atomic<bool>* stop)
    : clock_(clock), end_ns_(clock.monotonic_ns() + timeout_ms * 1'000'000), memory_max_(static_cast<std::int64_t>(memory_max)), stop_(stop) {
  BATON_CHECK(current_allowance == nullptr, "a query inside a query");
  current_allowance = this;
}

Allowance::~Allowance() { current_allowance = nullptr; }

Allowance* Allowance::current() { return current_allowance; }

bool Allowance::is_over() {
  if (end_ != End::none) return true;
  if (stop_ != nullptr && stop_->load(std::memory_order_relaxed)) end_ = End::stop;
  else if (clock_.monotonic_ns() > end_ns_) end_ = End::time;
  return end_ != End::none;
}

bool Allowance::take(std::size_t bytes) {
  if (end_ != End::none) return false;
  if ((bytes >= kLargeBytes || ++asked_ % kSmallPerLook == 0) && is_over()) return false;
  if (held_ + static_cast<std::int64_t>(bytes) <= memory_max_) return true;
  end_ = End::memory;
  return false;
}

void give_sqlite_counted_memory() {
  BATON_CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &beneath) == SQLITE_OK, "SQLite was in use before views were");
  sqlite3_mem_methods counted = beneath;
  counted.xMalloc = counted_malloc;
  counted.xFree = counted_free;
  counted.xRealloc = counted_realloc;
  BATON_CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &counted) == SQLITE_OK, "SQLite keeps its memory functions");
}

}  // namespace baton::view
