// EventAppender: appends a long sequence of events in order, several appends in flight, each of several events.
//
// Order: appends complete in the order in which they were made (one partition), so what is durable is always a beginning of the sequence,
// wherever the process is killed. With several partitions that holds for each of them: events go out partition by partition.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <baton/store.h>

#include "cli/map_row.h"
#include "os/env.h"
#include "store/partitioner.h"

namespace baton::cli {

struct AppendOptions {
  std::size_t events_max = 200;         // an append
  std::size_t bytes_max = 256u << 10;   // an append; one larger event goes alone
  std::size_t in_flight_max = 16;       // appends
};

// One thread uses it; completions come on the store's.
class EventAppender {
 public:
  EventAppender(os::Env& env, Store& store, const std::string& context, const ContextOptions& context_options, AppendOptions options = {});
  ~EventAppender();  // waits for what is in flight

  // Waits while too much is in flight. The first error of any append; then nothing more is sent.
  [[nodiscard]] Status add(UnpackedEvent event, std::uint64_t row);
  // Sends what waits, and returns when all is acknowledged.
  [[nodiscard]] Status drain();

  [[nodiscard]] std::uint64_t added() const;
  [[nodiscard]] std::uint64_t duplicates() const;
  [[nodiscard]] Position position() const;  // of the last event that was acknowledged, in log order

 private:
  struct Shared;
  // What waits to be sent, of one partition.
  struct Batch {
    Append append;
    std::size_t events = 0, bytes = 0;
    std::uint64_t first_row = 0, last_row = 0;
  };
  [[nodiscard]] Status send(Batch& batch);
  // Until fewer than `below` appends are in flight.
  [[nodiscard]] Status wait_until_below(std::size_t below);
  [[nodiscard]] Batch empty_batch() const;

  Store& store_;
  std::string context_;
  AppendOptions options_;
  store::Partitioner partitioner_ = store::Partitioner::murmur2;
  std::vector<Batch> batches_;  // one a partition
  std::shared_ptr<Shared> shared_;
};

}  // namespace baton::cli
