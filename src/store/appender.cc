#include "store/appender.h"

#include <algorithm>
#include <bit>

#include "base/try.h"
#include "store/identity.h"
#include "store/index_feed.h"
#include "store/limits.h"

namespace baton::store {

ContextState::ContextState(std::shared_ptr<const ContextView> context)
    : view(std::move(context)),
      source(default_source(view->name)),
      positions(view->id, static_cast<std::int32_t>(view->partitions.size())),
      encoder(view->name) {}

namespace {

std::size_t append_bytes(const Append& append) {
  std::size_t bytes = append.correlation_id.size() + append.causation_id.size() + append.tenant.size();
  for (const StreamAppend& stream : append.streams) {
    bytes += sizeof stream + stream.stream.size();
    for (const NewEvent& event : stream.events) {
      bytes += sizeof event + event.data.size() + event.type.size() + event.id.size() + event.source.size();
      for (const std::string& tag : event.tags) bytes += sizeof tag + tag.size();
      for (const Header& header : event.headers) bytes += sizeof header + header.name.size() + header.value.size();
    }
  }
  return bytes;
}

}  // namespace

std::size_t AppendRequest::measure() const { return sizeof *this + append_bytes(append); }
std::size_t ProducedRequest::measure() const { return sizeof *this + append_bytes(append); }

Appender::Appender(os::Env& env, log::Log& log)
    : log_(log), ids_([&env](base::MutableByteView out) { env.random().fill(out); }) {}

void Appender::decide(ContextState& context, AppendRequest& request) {
  request.result = request.kind == AppendRequest::Kind::append ? append(context, request) : append_system(context, request);
}

Result<PartitionState*> Appender::choose_partition(ContextState& context, const Append& append) const {
  if (context.partitions.size() == 1 || append.streams.empty()) return context.partitions.front().get();
  const ContextView& view = *context.view;
  const log::PartitionId partition = view.partition_of(append.streams.front().stream);
  for (const StreamAppend& stream : append.streams) {
    const log::PartitionId other = view.partition_of(stream.stream);
    if (other == partition) continue;
    return Error{Code::invalid_argument, "streams " + append.streams.front().stream + " and " + stream.stream + " of context " +
                                             view.name + " lie in partitions " + std::to_string(partition.value()) + " and " +
                                             std::to_string(other.value()) +
                                             ": one append is atomic within one partition; append to each on its own, or use a "
                                             "context with one partition"};
  }
  return context.partitions[static_cast<std::size_t>(partition.value())].get();
}

std::uint32_t Appender::stream_of(std::string_view name) {
  const std::uint64_t hash = stream_hash(name);
  const std::size_t mask = stream_slots_.size() - 1;
  std::size_t i = static_cast<std::size_t>(hash) & mask;
  while (stream_slots_[i] != 0) {
    const Stream& known = streams_[stream_slots_[i] - 1];
    if (known.hash == hash && known.name == name) return stream_slots_[i] - 1;
    i = (i + 1) & mask;
  }
  streams_.push_back({.name = name, .hash = hash});
  stream_slots_[i] = static_cast<std::uint32_t>(streams_.size());
  return stream_slots_[i] - 1;
}

void Appender::collect(const ContextState& context, const Append& append) {
  streams_.clear();
  append_streams_.clear();
  items_.clear();
  stream_slots_.assign(std::bit_ceil(append.streams.size() * 2 + 1), 0);
  for (const StreamAppend& stream : append.streams) {
    const std::uint32_t number = stream_of(stream.stream);
    append_streams_.push_back(number);
    for (const NewEvent& event : stream.events) {
      Item item{.event = &event, .stream = number};
      item.source = event.source.empty() ? std::string_view(context.source) : event.source;
      items_.push_back(item);
    }
  }
  new_items_ = items_.size();
}

Result<Appended> Appender::append(ContextState& context, AppendRequest& request) {
  const Append& append = request.append;
  BATON_TRY(check_append(append, context.view->options, batch_bytes_max()));
  BATON_TRY_ASSIGN(PartitionState* const partition, choose_partition(context, append));
  return append_checked(context, *partition, append);
}

// Identity, conditions, versions, in that order.
Result<Appended> Appender::append_checked(ContextState& context, PartitionState& partition, const Append& append) {
  collect(context, append);
  BATON_TRY(check_identity(context, partition, append));
  // A producer's batch of nothing but duplicates is written empty, so that its sequence goes on (rule 4).
  const bool writes_empty = produced_ != nullptr && produced_->producer_id >= 0;
  if (new_items_ == 0 && !items_.empty() && !writes_empty) return make_reply(context, partition);
  BATON_TRY(load_heads(partition));
  BATON_TRY(check_streams(append));
  if (append.unless) BATON_TRY(check_unless(context, partition, *append.unless));
  return stage(context, partition, append);
}

// Which event of a produced batch breaks a rule by itself, if one does.
void Appender::blame_shape(const ContextState& context, const Append& append) {
  for (std::size_t i = 0; i < append.streams.size() && !blamed_; ++i) {
    for (const NewEvent& event : append.streams[i].events) {
      if (!check_event(event, i, context.view->options)) blamed_ = i;
    }
  }
}

void Appender::decide(ContextState& context, ProducedRequest& request) {
  produced_ = &request.produced;
  blamed_.reset();
  ProducedReply reply;
  reply.status = append_produced(context, request, reply.batch);
  if (!reply.status) reply.event = blamed_;
  produced_ = nullptr;
  request.result = std::move(reply);
}

log::BatchHeader Appender::produced_header() const {
  log::BatchHeader header;
  header.producer_id = produced_->producer_id;
  header.producer_epoch = produced_->producer_epoch;
  header.base_sequence = produced_->base_sequence;
  header.last_offset_delta = static_cast<std::int32_t>(items_.size()) - 1;
  return header;
}

// A keyed record belongs to the partition that its key's hash says (rule 6).
Status Appender::check_partition(const ContextState& context, const Append& append) {
  const ContextView& view = *context.view;
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    const log::PartitionId right = view.partition_of(append.streams[i].stream);
    if (right == produced_->partition) continue;
    blamed_ = i;
    return Error{Code::invalid_argument, "stream " + append.streams[i].stream + " of context " + view.name + " lies in partition " +
                                             std::to_string(right.value()) + ", and was sent to " +
                                             std::to_string(produced_->partition.value()) + ": the context's partitioner is " +
                                             view.options.partitioner + " (set it in the client: murmur2_random or consistent_random in "
                                             "librdkafka, or leave the choice to a client whose default it is)"};
  }
  return {};
}

Status Appender::append_produced(ContextState& context, ProducedRequest& request, BatchAppended& batch) {
  const Append& append = request.append;
  if (static_cast<std::size_t>(produced_->partition.value()) >= context.partitions.size()) {
    return Error{Code::not_found, "context " + context.view->name + " has no partition " + std::to_string(produced_->partition.value())};
  }
  PartitionState& partition = *context.partitions[static_cast<std::size_t>(produced_->partition.value())];
  batch.log_start = partition.view->reader().bounds().log_start;
  items_.resize(append.streams.size());  // for the header
  if (produced_->producer_id >= 0) {
    BATON_TRY_ASSIGN(const auto known, log_.check_producer(partition.view->key(), produced_header()));
    if (known) {
      batch.base_offset = known->base_offset;
      batch.append_ms = known->timestamp;
      batch.duplicate = true;
      return {};
    }
  }
  if (const Status shape = check_append(append, context.view->options, batch_bytes_max()); !shape) {
    blame_shape(context, append);
    return shape;
  }
  BATON_TRY(check_partition(context, append));
  staged_base_ = log::Offset(-1);
  BATON_TRY_ASSIGN(request.appended, append_checked(context, partition, append));
  // Without a producer id, and with nothing new, nothing was written: the first event's own offset is as good an answer as there is.
  batch.duplicate = staged_base_.value() < 0;
  batch.base_offset = batch.duplicate ? log::Offset(request.appended.events.front().offset) : staged_base_;
  batch.append_ms = batch.duplicate ? log_.append_time_ms() : staged_ms_;
  return {};
}

Result<Appended> Appender::append_system(ContextState& context, AppendRequest& request) {
  const StreamAppend& given = request.append.streams.front();
  BATON_TRY(check_stream_name(given.stream));
  BATON_TRY(check_expect(given.condition));
  BATON_TRY_ASSIGN(PartitionState* const partition, choose_partition(context, request.append));
  collect(context, request.append);
  BATON_TRY(load_heads(*partition));
  Stream& stream = streams_.front();
  BATON_TRY(check_expect_holds(given.condition, stream));
  const std::int64_t last = stream.head.last_version.value();
  if (stream.head.empty()) {
    return Error{Code::not_found, "stream " + given.stream + " of context " + context.view->name +
                                      (stream.head.deleted ? " is deleted already" : " has no events")};
  }
  const bool truncates = request.kind == AppendRequest::Kind::truncate_stream;
  if (truncates && (request.before_version < 0 || request.before_version > last)) {
    return Error{Code::invalid_argument, "stream " + given.stream + ": cannot truncate before version " +
                                             std::to_string(request.before_version) + ": its last event has version " +
                                             std::to_string(last) + " and is kept; delete the stream to hide all"};
  }

  const std::int64_t append_ms = log_.append_time_ms();
  const std::string id = new_id(append_ms);
  const EventPlace place{.stream = stream.name, .version = -1, .append_ms = append_ms, .id = id};
  batch_.clear();
  const auto delta = static_cast<std::uint32_t>(batch_.bytes());
  // A truncation hides no less than one before it.
  const StreamVersion visible_from = std::max(stream.head.visible_from, StreamVersion(request.before_version));
  if (truncates) {
    context.encoder.add_truncated(batch_, place, visible_from.value());
  } else {
    context.encoder.add_deleted(batch_, place);
  }
  BATON_TRY_ASSIGN(const log::Log::Staged staged, stage_batch(*partition, append_ms));

  const IndexHit hit{.offset = staged.place.base_offset,
                     .version = stream.head.last_version,
                     .position = staged.place.position,
                     .record_delta = delta};
  feed_system(partition->view->index(), hit, stream.name, truncates ? kTruncatedType : kDeletedType);
  partition->staged.add(hit.offset, {.stream = stream.name, .version = -1});
  Head head = stream.head;
  head.last_offset = hit.offset;
  head.deleted = !truncates;
  head.visible_from = truncates ? visible_from : head.last_version.plus(1);
  partition->heads.put(stream.hash, stream.name, head);

  Appended reply;
  reply.position = context.positions.position_of(partition->view->key().partition.value(), hit.offset.value(), log_.epoch().value());
  return reply;
}

}  // namespace baton::store
