// What a snapshot of an index holds: its runs and tables at one moment. Inside the index only.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <baton/result.h>

#include "store/index_run.h"
#include "store/index_table.h"

namespace baton::store {

// Where look-ups tell the index of a damaged block. After close() nobody is told.
class IndexDamage {
 public:
  explicit IndexDamage(std::function<void(const Error&)> report) : report_(std::move(report)) {}
  // Any thread; the first call reports. Read errors of a mapping arrive as signals, so all that comes here is damage.
  void found(const Error& error) {
    if (reported_.exchange(true)) return;
    const std::lock_guard guard(mutex_);
    if (report_) report_(error);
  }
  [[nodiscard]] bool is_fresh() const { return !reported_.load(); }
  void close() {
    const std::lock_guard guard(mutex_);
    report_ = nullptr;
  }

 private:
  std::atomic<bool> reported_{false};
  std::mutex mutex_;
  std::function<void(const Error&)> report_;
};

// Immutable but for the active table, which its owner adds to. The sources in the order of offsets: runs from the oldest, the
// frozen table up to frozen_end, the active table from there.
struct IndexState {
  std::vector<std::shared_ptr<const IndexRun>> runs;
  std::shared_ptr<const IndexTable> frozen;  // may be null
  std::int64_t frozen_end = 0;
  std::shared_ptr<const IndexTable> active;
  std::shared_ptr<IndexDamage> damage;

  [[nodiscard]] std::size_t sources() const { return runs.size() + 2; }
  // The table of a source past the runs; null when there is none.
  [[nodiscard]] const IndexTable* table(std::size_t source) const {
    return source == runs.size() ? frozen.get() : active.get();
  }
  // Entries of the frozen table from frozen_end on are in the active one as well.
  [[nodiscard]] std::int64_t table_end(std::size_t source, std::int64_t to) const {
    return source == runs.size() ? std::min(to, frozen_end) : to;
  }
};

}  // namespace baton::store
