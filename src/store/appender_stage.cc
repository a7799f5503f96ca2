// What was decided becomes a batch on the tail of the log, entries in the index, heads in the cache, and a reply.
#include <utility>

#include "base/try.h"
#include "store/appender.h"
#include "store/index_feed.h"
#include "store/limits.h"

namespace baton::store {
std::string Appender::new_id(std::int64_t append_ms) { return ids_.next(append_ms).to_string(); }

// Stages what is in batch_. After an error nothing has changed.
Result<log::Log::Staged> Appender::stage_batch(PartitionState& partition, std::int64_t append_ms) {
  BATON_TRY_ASSIGN(base::Bytes bytes, batch_.finish(append_ms, produced_ != nullptr ? produced_header() : log::BatchHeader{}));
  BATON_TRY(check_batch_bytes(bytes.size(), batch_bytes_max()));
  const auto crc = base::load_be<std::uint32_t>(bytes.data() + log::kBatchCrcAt);
  BATON_TRY_ASSIGN(const log::Log::Staged staged, log_.stage(partition.view->key(), std::move(bytes)));
  staged_base_ = staged.place.base_offset;
  staged_ms_ = append_ms;
  if (!std::exchange(partition.touched, true)) touched_.push_back(&partition);
  partition.staged_end = staged.next;
  partition.staged_epoch = log_.epoch();
  partition.staged_crc = crc;
  return staged;
}

std::vector<StagedEnd> Appender::take_ends() {
  std::vector<StagedEnd> ends;
  ends.reserve(touched_.size());
  for (PartitionState* const partition : touched_) {
    partition->touched = false;
    ends.push_back({.partition = partition,
                    .end = partition->staged_end,
                    .epoch = partition->staged_epoch,
                    .crc = partition->staged_crc,
                    .streams = partition->streams});
  }
  touched_.clear();
  return ends;
}

void Appender::encode(ContextState& context, const Append& append, std::int64_t append_ms, Appended& reply) {
  batch_.clear();
  deltas_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    AppendedEvent& told = reply.events[i];
    told.id = item.event->id;
    if (item.duplicate) continue;
    if (told.id.empty()) told.id = new_id(append_ms);
    deltas_.push_back(static_cast<std::uint32_t>(batch_.bytes()));
    context.encoder.add(batch_, *item.event,
                        {.stream = streams_[item.stream].name,
                         .version = item.version,
                         .append_ms = append_ms,
                         .id = told.id,
                         .correlation_id = append.correlation_id,
                         .causation_id = append.causation_id,
                         .tenant = append.tenant,
                         .traceparent = append.traceparent,
                         .offset_delta = produced_ != nullptr ? static_cast<std::int32_t>(i) : -1});
  }
}

void Appender::take_in(ContextState& context, PartitionState& partition, const log::Log::Staged& staged, Appended& reply) {
  entries_.clear();
  std::size_t number = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (item.duplicate) continue;
    Stream& stream = streams_[item.stream];
    const std::string& id = reply.events[i].id;
    item.offset = staged.place.base_offset.plus(static_cast<std::int64_t>(produced_ != nullptr ? i : number));
    item.epoch = partition.staged_epoch;
    if (item.event->id.empty()) item.id_hash = id_hash(stream.name, item.source, id);
    collect_event(entries_,
                  {.offset = item.offset,
                   .version = StreamVersion(item.version),
                   .position = staged.place.position,
                   .record_delta = deltas_[number]},
                  stream.hash, item.id_hash, bare_type(context.view->name, item.event->type), item.event->tags);
    partition.staged.add(item.offset, {.event = item.event,
                                       .stream = stream.name,
                                       .source = item.source,
                                       .id = id,
                                       .version = item.version});
    stream.head.last_offset = item.offset;
    ++number;
  }
  partition.view->index().add(entries_);
  for (const Stream& stream : streams_) {
    if (!stream.appended) continue;
    partition.heads.put(stream.hash, stream.name, stream.head);
    if (stream.begins) ++partition.streams;
  }
}

Result<Appended> Appender::stage(ContextState& context, PartitionState& partition, const Append& append) {
  blamed_.reset();  // from here on no single event is to blame
  Appended reply;
  reply.events.resize(items_.size());
  const std::int64_t append_ms = log_.append_time_ms();
  encode(context, append, append_ms, reply);
  if (!deltas_.empty() || produced_ != nullptr) {
    BATON_TRY_ASSIGN(const log::Log::Staged staged, stage_batch(partition, append_ms));
    take_in(context, partition, staged, reply);
  }
  fill_reply(context, partition, reply);
  return reply;
}

void Appender::fill_reply(const ContextState& context, const PartitionState& partition, Appended& reply) const {
  const std::int32_t number = partition.view->key().partition.value();
  std::size_t last = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i].repeat_of >= 0 && items_[i].offset.value() < 0
                           ? items_[static_cast<std::size_t>(items_[i].repeat_of)]
                           : items_[i];
    AppendedEvent& told = reply.events[i];
    told.version = item.version;
    told.offset = item.offset.value();
    told.duplicate = items_[i].duplicate;
    told.position = context.positions.position_of(number, told.offset, item.epoch.value());
    if (told.offset > reply.events[last].offset) last = i;
  }
  if (!reply.events.empty()) reply.position = reply.events[last].position;
}

Appended Appender::make_reply(const ContextState& context, const PartitionState& partition) const {
  Appended reply;
  reply.events.resize(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) reply.events[i].id = items_[i].event->id;
  fill_reply(context, partition, reply);
  return reply;
}

}  // namespace baton::store
