// The Log that only reads: beside a writer, as far as its live marks say, or without one, when it was closed or this machine has
// not been started again since.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "log/live_marks.h"
#include "log/log.h"
#include "log/partition.h"
#include "log/recovery.h"

namespace baton::log {

class ReadOnlyLog final : public Log {
 public:
  // unavailable: there is no writer, and what it left needs recovery; not_found: no store.
  static Result<std::unique_ptr<Log>> open(os::Env& env, const std::string& directory, const LogOptions& options);

  const CatalogueState& catalogue() const override { return catalogue_->state(); }
  Epoch epoch() const override { return Epoch(epoch_.load(std::memory_order_acquire)); }
  std::shared_ptr<const PartitionReader> reader(const PartitionKey& key) const override;
  std::int64_t append_time_ms() override { return env_.clock().wall_ms(); }
  Status refresh(const Prepare& prepare) override;
  Status close() override { return {}; }
  std::vector<PartitionStats> stats() const override;
  bool has_staged() const override { return false; }
  bool failed() const override { return false; }
  const Error& failure() const override { return refused_; }
  std::int64_t tick() override { return -1; }

  TopicConfig config_of(const TopicInfo& topic) const override { return topic_config(topic.kind, topic.settings, options_); }
  Result<TopicId> create_topic(const std::string&, TopicKind, std::int32_t, const Settings&) override { return refused_; }
  Status set_topic(const TopicId&, const Settings&) override { return refused_; }
  Status add_partitions(const TopicId&, std::int32_t) override { return refused_; }
  Status set_quota(const QuotaEntity&, const Settings&) override { return refused_; }
  Status change_acls(const AclTable&, const AclTable&) override { return refused_; }
  Status remove_topic(const TopicId&) override { return refused_; }
  Result<std::optional<ProducedBatch>> check_producer(const PartitionKey&, const BatchHeader&) const override { return refused_; }
  Result<std::map<std::int64_t, ProducerTable::Producer>> producers(const PartitionKey&) const override { return refused_; }
  Result<Staged> stage(const PartitionKey&, base::OwnedBytes) override { return refused_; }
  std::unique_ptr<FlushJob> begin_flush() override { return nullptr; }
  Status end_flush(std::unique_ptr<FlushJob>) override { return refused_; }
  void checkpoint(std::function<void(Status)> done) override { done(refused_); }
  Status apply_retention(const KeepHeads&) override { return refused_; }
  Status remove_before(const PartitionKey&, Offset, const KeepHeads&) override { return refused_; }
  Status confirm_clock() override { return refused_; }

 private:
  struct View {
    std::shared_ptr<Partition> partition;
    std::map<Offset, std::shared_ptr<Segment>> segments;
    std::uint64_t generation = UINT64_MAX;
    Epoch generation_epoch{-1};  // of the writer that counted it: each begins anew
    Epoch epoch;        // of the table of epochs: the partition's,
    Epoch known_epoch;  // and the catalogue's
  };

  ReadOnlyLog(os::Env& env, std::string directory, LogOptions options);
  // False: no live marks that may be used.
  [[nodiscard]] Result<bool> take_live(const Prepare& prepare);
  struct Marks {
    LiveHeader header;
    std::vector<LiveSlot> slots;
  };
  [[nodiscard]] Result<std::optional<Marks>> read_marks();
  [[nodiscard]] Status take_slot(const LiveSlot& slot, bool failed);
  [[nodiscard]] Status take_segments(View& view, const LiveSlot& slot);
  [[nodiscard]] Status take_marks(Segment& segment, const LiveSlot& slot, Offset following);
  [[nodiscard]] Status take_closed(const Prepare& prepare);
  [[nodiscard]] Result<bool> take_catalogue(const Prepare& prepare, std::uint64_t& bytes);
  [[nodiscard]] Result<bool> writer_came();
  View& view_of(const PartitionKey& key);
  std::shared_ptr<Segment> segment_of_view(View& view, const PartitionKey& key, Offset base);
  void set_epochs(View& view, const PartitionKey& key, Epoch epoch, Offset visible);
  void drop_removed();

  os::Env& env_;
  const std::string directory_;
  const LogOptions options_;
  const Error refused_{Code::read_only, "the store was opened without the right to write"};
  std::unique_ptr<Catalogue> catalogue_;
  std::shared_ptr<OpenFiles> open_files_;
  std::atomic<std::int32_t> epoch_{0};
  std::map<PartitionKey, View> views_;
  mutable std::mutex readers_mutex_;
  std::map<PartitionKey, std::shared_ptr<Partition>> readers_;
};

}  // namespace baton::log
