// Partition: one partition as readers see it. The writer (or the refresh of a read-only log) publishes; any thread reads.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "log/log.h"
#include "log/segment.h"
#include "os/env.h"

namespace baton::log {

using SegmentList = std::vector<std::shared_ptr<Segment>>;  // by base offset
using EpochTable = std::vector<EpochStart>;

class Partition final : public PartitionReader {
 public:
  Partition(os::Env& env, std::string directory, PartitionKey key, std::size_t batch_bytes_max)
      : env_(env), directory_(std::move(directory)), key_(key), batch_bytes_max_(batch_bytes_max) {}

  // What the owner of the log does.
  void set_segments(SegmentList segments);
  void set_epochs(Epoch current, EpochTable table);
  void set_log_start(Offset start) { log_start_.store(start.value(), std::memory_order_release); }
  void publish(Offset written, Offset durable, Offset visible);
  [[nodiscard]] std::shared_ptr<const SegmentList> segments() const;
  // Whether records were asked for since forget_reads().
  [[nodiscard]] bool was_read() const { return was_read_.load(std::memory_order_relaxed); }
  bool forget_reads() { return was_read_.exchange(false, std::memory_order_relaxed); }

  PartitionKey key() const override { return key_; }
  Bounds bounds() const override;
  Result<ReadResult> read(Offset from, std::size_t bytes_max, base::Bytes& out, std::optional<Offset> end) const override;
  Result<std::optional<Slice>> slice(Offset from, std::size_t bytes_max, Offset end) const override;
  Status read_at(Offset within, FilePosition position, std::size_t length, base::Bytes& out) const override;
  Result<std::optional<Mapped>> map(Offset within) const override;
  Result<FilePosition> check(const Mapped& mapped, FilePosition position, std::size_t length) const override;
  Result<std::optional<TimeResult>> find_time(std::int64_t ms) const override;
  Result<std::optional<Epoch>> epoch_of(Offset offset) const override;
  std::optional<Offset> epoch_end(Epoch epoch) const override;
  Result<Offset> find_start() const override;
  std::uint64_t bytes() const override;

 private:
  struct Hint {  // where a read ended: most reads go on there
    const Segment* segment = nullptr;
    Offset next;
    std::uint64_t position = 0;
  };
  struct Scan;
  [[nodiscard]] Offset visible() const { return Offset(visible_.load(std::memory_order_acquire)); }
  void note_read() const {
    if (!was_read()) was_read_.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] static Error below_start(Offset from, Offset start);
  [[nodiscard]] Status check_bounds(Offset from) const;
  [[nodiscard]] Result<BatchPlace> start_of(const Segment& segment, Offset from) const;
  [[nodiscard]] Result<std::shared_ptr<Segment>> holder(const SegmentList& list, Offset offset) const;
  [[nodiscard]] Status check_holes(const SegmentList& list, Offset start) const;
  [[nodiscard]] Error judge(Offset within, Error found) const;
  [[nodiscard]] bool has_moved(const SegmentList* list, Offset limit) const { return segments().get() != list || visible() < limit; }
  void keep_hint(const Segment& segment, Offset next, std::uint64_t position) const;
  [[nodiscard]] Status read_segment(const Segment& segment, Scan& scan, base::Bytes& out) const;
  [[nodiscard]] Result<std::optional<TimeResult>> find_time_once(std::int64_t ms, Offset start, Offset limit, const SegmentList& list) const;
  [[nodiscard]] Result<std::optional<Slice>> slice_segment(const Segment& segment, Offset from, std::size_t bytes_max, Offset limit) const;
  [[nodiscard]] Result<std::optional<TimeResult>> find_time_in(const Segment& segment, std::int64_t ms, Offset start,
                                                               Offset limit) const;

  os::Env& env_;
  const std::string directory_;  // the store's
  const PartitionKey key_;
  const std::size_t batch_bytes_max_;
  std::atomic<std::int32_t> epoch_{0};
  std::atomic<std::int64_t> log_start_{0};
  std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> durable_{0};
  std::atomic<std::int64_t> visible_{0};
  mutable std::atomic<bool> was_read_{false};

  mutable std::mutex mutex_;  // never held during I/O
  std::shared_ptr<const SegmentList> segments_ = std::make_shared<SegmentList>();
  EpochTable epochs_;
  mutable std::array<Hint, 8> hints_;
  mutable std::size_t next_hint_ = 0;
};

}  // namespace baton::log
