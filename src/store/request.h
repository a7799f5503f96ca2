// Request: one call that writes, on its way through the store: accepted on any thread, decided and answered on the store's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <baton/store.h>

#include "base/buffer.h"
#include "log/types.h"

namespace baton::store {

struct AppendRequest;
struct BatchRequest;
struct ProducedRequest;

// Who decides a request: the store's core. False: not now, an index must be built again first.
class Decider {
 public:
  [[nodiscard]] virtual bool decide(AppendRequest& request) = 0;
  [[nodiscard]] virtual bool decide(BatchRequest& request) = 0;
  [[nodiscard]] virtual bool decide(ProducedRequest& request) = 0;

 protected:
  ~Decider() = default;
};

// Ends with exactly one of answer() and fail().
class Request {
 public:
  virtual ~Request() = default;
  [[nodiscard]] virtual std::size_t measure() const = 0;       // what it holds in memory, about
  [[nodiscard]] virtual bool decide(Decider& decider) = 0;
  virtual void forget() = 0;                                   // what was decided: it will be decided again
  virtual void answer() = 0;                                   // what was decided, when its round has ended
  virtual void fail(Error error) = 0;
  // Why what was decided is a refusal; nothing when it was taken.
  [[nodiscard]] virtual std::optional<Code> refusal() const = 0;

  std::size_t bytes = 0;  // what it counts for in the bound on what is pending
};

// Events of a context.
struct AppendRequest final : Request {
  enum class Kind { append, delete_stream, truncate_stream };
  Kind kind = Kind::append;
  Append append;                      // delete and truncate: one stream with its condition and no events
  std::int64_t before_version = 0;    // truncate_stream
  AppendDone done;
  std::optional<Result<Appended>> result;  // once decided; it may rest on a record of this round

  [[nodiscard]] std::size_t measure() const override;
  [[nodiscard]] bool decide(Decider& decider) override { return decider.decide(*this); }
  void forget() override { result.reset(); }
  void answer() override { done(*std::move(result)); }
  void fail(Error error) override { done(std::move(error)); }
  [[nodiscard]] std::optional<Code> refusal() const override { return *result ? std::nullopt : std::optional(result->error().code); }
};

// What became of a batch.
struct BatchAppended {
  log::Offset base_offset;
  log::Offset log_start;
  std::int64_t append_ms = -1;  // -1: the producer's own times are kept
  bool duplicate = false;       // it was written before, with this offset
};
using BatchDone = std::function<void(Result<BatchAppended>)>;

// A record batch for a plain topic, as it came. Its CRC and its records have been checked.
struct BatchRequest final : Request {
  log::PartitionKey partition;
  base::OwnedBytes batch;
  bool append_time = false;  // the topic's message.timestamp.type is LogAppendTime
  BatchDone done;
  std::optional<Result<BatchAppended>> result;

  [[nodiscard]] std::size_t measure() const override { return sizeof *this + batch.size(); }
  [[nodiscard]] bool decide(Decider& decider) override { return decider.decide(*this); }
  void forget() override { result.reset(); }
  void answer() override { done(*std::move(result)); }
  void fail(Error error) override { done(std::move(error)); }
  [[nodiscard]] std::optional<Code> refusal() const override { return *result ? std::nullopt : std::optional(result->error().code); }
};

// What a producer says of itself in the header of a batch, and which partition it has chosen.
struct Produced {
  log::PartitionId partition;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
};

// What became of a batch of events. An error may name the event that is to blame, by its number in the batch.
struct ProducedReply {
  Status status;
  std::optional<std::size_t> event;
  BatchAppended batch;
};
using ProducedDone = std::function<void(ProducedReply)>;

// The events of one batch that a producer sent to a context: one stream entry with one event each, in the order of the batch. They are stored as one
// batch with the producer's id and sequence, each event at its own offset delta; events that are known already are left out (rule 4).
struct ProducedRequest final : Request {
  Append append;  // duplicates: skip; no query condition
  Produced produced;
  ProducedDone done;
  std::optional<ProducedReply> result;
  Appended appended;  // its events; what the round has staged refers to their ids until the round ends

  [[nodiscard]] std::size_t measure() const override;
  [[nodiscard]] bool decide(Decider& decider) override { return decider.decide(*this); }
  void forget() override { result.reset(); }
  void answer() override { done(*std::move(result)); }
  void fail(Error error) override { done({.status = std::move(error), .event = {}, .batch = {}}); }
  [[nodiscard]] std::optional<Code> refusal() const override {
    return result->status ? std::nullopt : std::optional(result->status.error().code);
  }
  void fail_with(Error error) { result = ProducedReply{.status = std::move(error), .event = {}, .batch = {}}; }
};

}  // namespace baton::store
