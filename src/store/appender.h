// Appender: decides one request after the other and stages what is accepted, in the order that docs/formats/event.md gives: shape, identity,
// stream conditions, query condition, versions.
//
// Lives on the store's executor. It looks at the heads cache, the index (which holds what this round has staged too), and the records
// that the index names, those of this round in memory. Keeps its memory from request to request.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <baton/result.h>

#include "base/uuid.h"
#include "log/log.h"
#include "os/env.h"
#include "store/context_state.h"
#include "store/filter.h"
#include "store/request.h"

namespace baton::store {

class Appender {
 public:
  Appender(os::Env& env, log::Log& log);

  // Sets request.result. What it is may only be told when the round has ended: it may rest on a record of this round.
  void decide(ContextState& context, AppendRequest& request);
  void decide(ContextState& context, ProducedRequest& request);

  // Whether an append of good shape would be taken by a context that does not exist yet: duplicate_mismatch, invalid_argument, wrong_version, position_lost.
  [[nodiscard]] Status check_new_context(const Append& append);

  // Where what is staged ends, by partition: the round is made, and what is staged from now on belongs to the next one.
  [[nodiscard]] std::vector<StagedEnd> take_ends();

 private:
  // A stream of the request; named twice, it is one.
  struct Stream {
    std::string_view name;
    std::uint64_t hash = 0;
    Head head;               // runs ahead with the request's own events
    bool appended = false;   // has new events in this request
    bool begins = false;     // had none ever before
  };
  // An event of the request.
  struct Item {
    const NewEvent* event = nullptr;
    std::uint32_t stream = 0;           // in streams_
    std::string_view source;
    std::uint64_t id_hash = 0;
    bool duplicate = false;             // then the numbers below are the original's
    std::int32_t repeat_of = -1;        // an item of this request with the same identity (mode skip)
    std::int64_t version = -1;
    log::Offset offset{-1};
    log::Epoch epoch;
  };

  [[nodiscard]] Result<Appended> append(ContextState& context, AppendRequest& request);
  [[nodiscard]] Result<Appended> append_checked(ContextState& context, PartitionState& partition, const Append& append);
  [[nodiscard]] Status append_produced(ContextState& context, ProducedRequest& request, BatchAppended& batch);
  [[nodiscard]] Status check_partition(const ContextState& context, const Append& append);
  [[nodiscard]] Result<Appended> append_system(ContextState& context, AppendRequest& request);
  [[nodiscard]] Result<PartitionState*> choose_partition(ContextState& context, const Append& append) const;
  void collect(const ContextState& context, const Append& append);
  [[nodiscard]] log::BatchHeader produced_header() const;
  [[nodiscard]] std::uint32_t stream_of(std::string_view name);

  // appender_identity.cc
  [[nodiscard]] Status check_identity(ContextState& context, PartitionState& partition, const Append& append);
  void hash_ids();
  [[nodiscard]] Status check_repeats(const ContextState& context, Append::Duplicates mode);
  [[nodiscard]] Status look_up_item(ContextState& context, PartitionState& partition, Item& item,
                                    const std::optional<IndexHit>& newest, const IndexSnapshot& index);
  [[nodiscard]] Error mismatch(const ContextState& context, const Item& item, log::Epoch epoch, log::Offset offset) const;

  // appender_conditions.cc
  [[nodiscard]] Status load_heads(PartitionState& partition);
  [[nodiscard]] Status check_streams(const Append& append);
  [[nodiscard]] Status check_unless(ContextState& context, PartitionState& partition, const Unless& unless);
  [[nodiscard]] Status check_item(ContextState& context, PartitionState& partition, const EventQuery& query,
                                  const QueryItem& item, log::Offset from);
  [[nodiscard]] static Status check_expect_holds(const Expect& expect, const Stream& stream);
  void blame_shape(const ContextState& context, const Append& append);

  // appender_stage.cc
  [[nodiscard]] std::size_t batch_bytes_max() const { return produced_ != nullptr ? log::kProducedBatchBytesMax : log::kEventBatchBytesMax; }
  [[nodiscard]] Result<log::Log::Staged> stage_batch(PartitionState& partition, std::int64_t append_ms);
  [[nodiscard]] Result<Appended> stage(ContextState& context, PartitionState& partition, const Append& append);
  void encode(ContextState& context, const Append& append, std::int64_t append_ms, Appended& reply);
  void take_in(ContextState& context, PartitionState& partition, const log::Log::Staged& staged, Appended& reply);
  [[nodiscard]] Appended make_reply(const ContextState& context, const PartitionState& partition) const;
  void fill_reply(const ContextState& context, const PartitionState& partition, Appended& reply) const;
  [[nodiscard]] std::string new_id(std::int64_t append_ms);

  log::Log& log_;
  // Of the request at hand, when a producer sent it.
  const Produced* produced_ = nullptr;
  std::optional<std::size_t> blamed_;         // the event of the request that an error is about
  log::Offset staged_base_;
  std::int64_t staged_ms_ = -1;
  base::UuidV7Source ids_;
  log::BatchBuilder batch_;
  std::vector<PartitionState*> touched_;

  std::vector<Stream> streams_;
  std::vector<std::uint32_t> stream_slots_;   // hash table over streams_: index + 1, 0 free
  std::vector<std::uint32_t> append_streams_; // per StreamAppend its place in streams_
  std::vector<Item> items_;
  std::size_t new_items_ = 0;
  std::vector<std::uint32_t> deltas_;         // per new event: where its record starts in the batch
  std::vector<IndexEntry> entries_;           // of the new events
  std::vector<std::uint64_t> hashes_;
  std::vector<std::uint32_t> looked_up_;      // what hashes_ belong to
  std::vector<std::optional<IndexHit>> hits_;
};

}  // namespace baton::store
