// The coordinator's records in the internal plain topic `__baton_groups` (group_log.h says what is promised; docs/formats/groups.md what they are).
//
// Lives on the store's executor. The topic is made with the first record: a store without consumer groups has none.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/group_log.h"
#include "store/store_core.h"

namespace baton::broker {

class GroupTopic final : public GroupLog {
 public:
  static constexpr const char* kName = "__baton_groups";

  explicit GroupTopic(store::StoreCore& core) : core_(core) {}
  ~GroupTopic() override;

  // Finds the topic and hands the value of each record, in order, to `load`. An error of it, or of reading, ends the start.
  [[nodiscard]] Status open(const std::function<Status(base::ByteView)>& load);

  void append(std::vector<base::Bytes> records, Done done) override;
  void begin_snapshot() override;
  void end_snapshot(bool complete) override;
  [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
  [[nodiscard]] std::int64_t time_ms() override { return core_.log().append_time_ms(); }

 private:
  struct Open {
    Done done;
    std::optional<Status> outcome;
  };
  [[nodiscard]] Status read(const std::function<Status(base::ByteView)>& load);
  void submit(std::uint64_t number, base::Bytes batch);
  void make_topic();
  void ended(std::uint64_t number, Status outcome);

  store::StoreCore& core_;
  std::shared_ptr<GroupTopic*> self_ = std::make_shared<GroupTopic*>(this);  // completions hold it weakly
  std::optional<log::PartitionKey> partition_;
  std::deque<Open> open_;             // appends that are not told, oldest first
  std::uint64_t first_ = 0;           // the number of the oldest
  std::vector<std::pair<std::uint64_t, base::Bytes>> before_topic_;  // wait until it is made
  bool making_ = false;
  std::uint64_t bytes_ = 0;           // that a start would read
  struct Snapshot {
    log::Offset from;
    std::uint64_t bytes_before = 0;
  };
  std::optional<Snapshot> snapshot_;
};

}  // namespace baton::broker
