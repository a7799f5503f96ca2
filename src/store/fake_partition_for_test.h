// A context whose partitions are lists of batches in memory: what readers need of a store, and nothing else.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/check.h"
#include "log/batch.h"
#include "store/event_codec.h"
#include "store/read_view.h"

namespace baton::store {

class FakePartition final : public log::PartitionReader {
 public:
  FakePartition(log::PartitionKey key, std::string context) : key_(key), encoder_(std::move(context)) {}

  // Appends one batch, visible at once. Any thread.
  void append(const std::vector<NewEvent>& events, const std::string& stream, std::int64_t append_ms) {
    const std::lock_guard lock(mutex_);
    log::BatchBuilder builder;
    for (const auto& event : events) {
      encoder_.add(builder, event, {.stream = stream, .version = versions_[stream]++, .append_ms = append_ms, .id = event.id});
    }
    push(builder, append_ms);
  }
  // A record that is no event.
  void append_foreign(std::int64_t append_ms) {
    const std::lock_guard lock(mutex_);
    log::BatchBuilder builder;
    builder.add(append_ms, base::as_bytes("key"), std::nullopt, {});
    push(builder, append_ms);
  }
  // As readers beside a writer that failed see it: what was not durable is there no more.
  void lose_from(std::int64_t offset) {
    const std::lock_guard lock(mutex_);
    std::erase_if(batches_, [&](const Batch& batch) { return batch.first >= offset; });
    next_ = std::min(next_, offset);
  }
  void raise_epoch() {
    const std::lock_guard lock(mutex_);
    epochs_.push_back(next_);
  }
  [[nodiscard]] std::size_t largest_read() const {
    const std::lock_guard lock(mutex_);
    return largest_read_;
  }

  [[nodiscard]] log::PartitionKey key() const override { return key_; }
  [[nodiscard]] log::Bounds bounds() const override {
    const std::lock_guard lock(mutex_);
    return {.epoch = log::Epoch(static_cast<std::int32_t>(epochs_.size())),
            .log_start = log::Offset(0),
            .written = log::WrittenOffset(next_),
            .durable = log::DurableOffset(next_),
            .visible = log::VisibleOffset(next_),
            .last_stable = log::LastStableOffset(next_)};
  }
  [[nodiscard]] Result<log::Offset> find_start() const override { return bounds().log_start; }
  [[nodiscard]] Result<std::optional<Slice>> slice(log::Offset, std::size_t, log::Offset) const override {
    return Error{Code::unavailable, "there is no file"};
  }
  [[nodiscard]] Result<ReadResult> read(log::Offset from, std::size_t bytes_max, base::Bytes& out,
                                        std::optional<log::Offset> end) const override {
    const std::lock_guard lock(mutex_);
    ReadResult result{.first = std::nullopt, .next = from};
    const std::size_t begin = out.size();
    for (const auto& batch : batches_) {
      if (batch.next <= from.value()) continue;
      if (end && batch.first >= end->value()) break;
      if (result.first && out.size() - begin + batch.bytes.size() > bytes_max) break;
      if (!result.first) result.first = log::BatchPlace{log::Offset(batch.first), log::FilePosition(0)};
      base::put_bytes(out, batch.bytes);
      result.next = log::Offset(batch.next);
    }
    largest_read_ = std::max(largest_read_, out.size() - begin);
    return result;
  }
  [[nodiscard]] Status read_at(log::Offset, log::FilePosition, std::size_t, base::Bytes&) const override {
    return Error{Code::internal, "not part of the fake"};
  }
  [[nodiscard]] Result<std::optional<Mapped>> map(log::Offset) const override { return std::optional<Mapped>(); }
  [[nodiscard]] Result<log::FilePosition> check(const Mapped&, log::FilePosition, std::size_t) const override {
    return Error{Code::internal, "nothing is mapped"};
  }
  [[nodiscard]] Result<std::optional<TimeResult>> find_time(std::int64_t ms) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& batch : batches_) {
      if (batch.append_ms >= ms) return std::optional(TimeResult{log::Offset(batch.first), batch.append_ms});
    }
    return std::optional<TimeResult>();
  }
  [[nodiscard]] Result<std::optional<log::Epoch>> epoch_of(log::Offset offset) const override {
    const std::lock_guard lock(mutex_);
    for (const auto& batch : batches_) {
      if (offset.value() < batch.next) return std::optional(batch.epoch);
    }
    return std::optional<log::Epoch>();
  }
  [[nodiscard]] std::optional<log::Offset> epoch_end(log::Epoch epoch) const override {
    const std::lock_guard lock(mutex_);
    const auto i = static_cast<std::size_t>(epoch.value());
    return log::Offset(i < epochs_.size() ? epochs_[i] : next_);
  }
  [[nodiscard]] std::uint64_t bytes() const override { return 0; }

 private:
  struct Batch {
    std::int64_t first, next, append_ms;
    log::Epoch epoch;
    base::Bytes bytes;
  };
  void push(log::BatchBuilder& builder, std::int64_t append_ms) {
    const log::Epoch epoch(static_cast<std::int32_t>(epochs_.size()));
    auto bytes = builder.finish(append_ms).value();
    log::stamp_batch(bytes, log::Offset(next_), epoch);
    const std::int64_t next = next_ + builder.record_count();
    batches_.push_back({next_, next, append_ms, epoch, std::move(bytes)});
    next_ = next;
  }

  log::PartitionKey key_;
  EventEncoder encoder_;
  mutable std::mutex mutex_;
  std::map<std::string, std::int64_t> versions_;
  std::vector<Batch> batches_;
  std::vector<std::int64_t> epochs_{0};  // starts of epochs 1, 2, ...
  std::int64_t next_ = 0;
  mutable std::size_t largest_read_ = 0;
};

struct FakeContext {
  explicit FakeContext(int partitions = 1, std::string name = "rides") {
    auto context = std::make_shared<ContextView>();
    context->name = std::move(name);
    context->id.bytes = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int p = 0; p < partitions; ++p) {
      const log::PartitionKey key{context->id, log::PartitionId(p)};
      this->partitions.push_back(std::make_shared<FakePartition>(key, context->name));
      context->partitions.push_back(std::make_shared<PartitionView>(key, "", this->partitions.back(), nullptr));
    }
    view = std::move(context);
  }
  // One event whose id is its number.
  void append(int number, int partition = 0, const std::string& type = "Happened") {
    partitions[static_cast<std::size_t>(partition)]->append({{.type = type, .id = std::to_string(number)}}, "s-" + std::to_string(partition),
                                                            1000 + number);
  }
  std::vector<std::shared_ptr<FakePartition>> partitions;
  std::shared_ptr<const ContextView> view;
};

}  // namespace baton::store
