// A fetch on its way: finds what is there, and waits for more when that is too little (fetch.min.bytes, fetch.max.wait.ms). Records go from the
// segments' files to the socket; this process does not look at them.
//
// Lives on its connection's core, and ends with it. While it waits it has a place among the waiters of its partitions and one timer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/fetch_waiters.h"
#include "kafka/session.h"
#include "kafka/wire/fetch.h"

namespace baton::kafka {

class FetchOperation final : public Ongoing, public std::enable_shared_from_this<FetchOperation> {
 public:
  FetchOperation(Session& session, std::shared_ptr<Call> call, const wire::FetchRequest& request);
  ~FetchOperation() override;
  void start();
  void end() override;

 private:
  // One partition of the request.
  struct Slot {
    std::shared_ptr<const store::TopicView> topic;  // null: `error` says why
    log::PartitionId partition;
    wire::ErrorCode error = wire::ErrorCode::none;
    log::Offset from;
    std::size_t bytes_max = 0;
    std::optional<log::PartitionReader::Slice> found;
    bool full = false;       // there is more than fits
    wire::FetchResponse::EpochEndOffset diverging;  // where the client's log and this one part, if they do
  };

  void open_slots(const wire::FetchRequest& request);
  [[nodiscard]] Slot open_slot(const std::shared_ptr<const store::TopicView>& topic, const wire::FetchRequest::FetchPartition& asked) const;
  // Looks at what there is for every slot. True when the reply is due.
  [[nodiscard]] bool read();
  void read_slot(Slot& slot);
  // From the page cache at once; else when a reader has brought it there.
  void finish();
  [[nodiscard]] bool is_warm() const;
  [[nodiscard]] log::Offset end_of(const Slot& slot) const;
  [[nodiscard]] bool is_enough() const;
  void keep();
  void wait();
  void woken();
  void forget_removed_topics();
  void answer();

  Session* session_;
  const std::shared_ptr<Call> call_;
  const bool committed_only_;
  const std::size_t bytes_min_;
  const std::size_t bytes_max_;
  const std::int64_t wait_ms_;
  wire::FetchResponse response_;
  std::vector<Slot> slots_;      // in the order of the response's partitions
  std::size_t bytes_ = 0;        // of all slots
  bool failed_ = false;          // a slot has an error, or its log parts from the client's: it is told at once
  bool kept_ = false;            // by the session
  bool finished_ = false;        // nothing is looked at any more
  std::unique_ptr<broker::FetchWaiters::Waiter> waiter_;
  std::optional<os::TimerId> timer_;
};

}  // namespace baton::kafka
