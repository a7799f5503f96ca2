// The conditions of an append: what its streams must be, and that nothing matches its query.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.h"
#include "store/appender.h"
#include "store/position_codec.h"
#include "store/postings.h"
#include "store/stream_lookup.h"

namespace baton::store {
namespace {

std::string describe(const Head& head) {
  if (head.deleted) return "a deleted stream (its last event had version " + std::to_string(head.last_version.value()) + ")";
  if (head.last_version.value() < 0) return "no stream";
  return "version " + std::to_string(head.last_version.value());
}

}  // namespace

Status Appender::load_heads(PartitionState& partition) {
  hashes_.clear();
  looked_up_.clear();
  constexpr std::uint32_t kAhead = 8;
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    if (i + kAhead < streams_.size()) partition.heads.prefetch(streams_[i + kAhead].hash);
    Stream& stream = streams_[i];
    if (const auto head = partition.heads.find(stream.hash, stream.name)) {
      stream.head = *head;
    } else {
      hashes_.push_back(stream.hash);
      hashes_.push_back(system_hash(stream.hash));
      looked_up_.push_back(i);
    }
  }
  if (looked_up_.empty()) return {};
  // What this round has staged is in the cache, so all that is missing there is visible.
  const log::Offset end(partition.view->reader().bounds().visible.value());
  const IndexSnapshot index = partition.view->index().snapshot();
  hits_.assign(hashes_.size(), std::nullopt);
  BATON_TRY(index.newest(hashes_, end, hits_));
  for (std::size_t i = 0; i < looked_up_.size(); ++i) {
    Stream& stream = streams_[looked_up_[i]];
    if (const std::size_t next = 2 * (i + kAhead); next < hits_.size() && hits_[next]) partition.fetcher.prefetch(*hits_[next]);
    BATON_TRY_ASSIGN(stream.head, find_head(*partition.view, index, partition.fetcher, stream.name, stream.hash, end, hits_[2 * i],
                                            hits_[2 * i + 1]));
  }
  return {};
}

Status Appender::check_expect_holds(const Expect& expect, const Stream& stream) {
  const Head& head = stream.head;
  std::string expected;
  switch (expect.kind) {
    case Expect::Kind::any: return {};
    case Expect::Kind::no_stream:
      if (head.empty()) return {};
      expected = "no stream";
      break;
    case Expect::Kind::exists:
      if (!head.empty()) return {};
      expected = "a stream with events";
      break;
    case Expect::Kind::exact:
      if (!head.empty() && head.last_version.value() == expect.version) return {};
      expected = "version " + std::to_string(expect.version);
      break;
  }
  return Error{Code::wrong_version, "stream " + std::string(stream.name) + ": expected " + expected + ", found " + describe(head)};
}

Status Appender::check_streams(const Append& append) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < append.streams.size(); ++i) {
    Stream& stream = streams_[append_streams_[i]];
    const std::span<Item> items(items_.data() + at, append.streams[i].events.size());
    at += items.size();
    // Where all events are known already there is nothing to put a condition on: it held when they were written.
    const bool all_known = !items.empty() && std::ranges::all_of(items, &Item::duplicate);
    if (all_known) continue;
    blamed_ = i;
    BATON_TRY(check_expect_holds(append.streams[i].condition, stream));
    for (Item& item : items) {
      if (item.duplicate) continue;
      if (stream.head.last_version.value() < 0) stream.begins = true;
      stream.head.last_version = stream.head.last_version.plus(1);
      stream.head.deleted = false;
      stream.appended = true;
      item.version = stream.head.last_version.value();
    }
  }
  return {};
}

Status Appender::check_new_context(const Append& append) {
  auto view = std::make_shared<ContextView>();
  view->name = append.context;
  ContextState none(std::move(view));
  collect(none, append);
  hash_ids();
  BATON_TRY(check_repeats(none, append.duplicates));
  for (Item& item : items_) item.duplicate = item.repeat_of >= 0;
  BATON_TRY(check_streams(append));  // of which none has a head
  if (!append.unless) return {};
  const auto no_epoch = [](std::int32_t, log::Epoch) { return std::int64_t{0}; };
  BATON_TRY(check_position(append.unless->after, log::TopicId{}, 1, log::Epoch(0), no_epoch));
  return {};
}

Status Appender::check_unless(ContextState& context, PartitionState& partition, const Unless& unless) {
  const std::shared_ptr<const log::PartitionReader> readers[] = {partition.view->shared_reader()};
  BATON_TRY_ASSIGN(const auto next, check_position(unless.after, context.view->id, readers));
  const EventQuery query(context.view->name, unless.query);
  for (const QueryItem& item : query.query().items) {
    BATON_TRY(check_item(context, partition, query, item, log::Offset(next.front())));
  }
  return {};
}

Status Appender::check_item(ContextState& context, PartitionState& partition, const EventQuery& query, const QueryItem& item,
                            log::Offset from) {
  const std::string& name = context.view->name;
  from = std::max(from, partition.view->reader().bounds().log_start);
  Postings postings(partition.view->index().snapshot(), item.types, item.tags, from, log::Offset(IndexEntry::kOffsetLimit - 1),
                    Direction::backward);
  while (true) {
    BATON_TRY_ASSIGN(const auto hit, postings.next());
    if (!hit) return {};
    std::string type;
    if (const StagedEvent* staged = partition.staged.find(hit->offset)) {
      if (staged->event == nullptr || !query.matches(staged->event->type, staged->event->tags)) continue;
      type = std::string(bare_type(name, staged->event->type));
    } else {
      BATON_TRY_ASSIGN(const EventView* const event, partition.fetcher.fetch(*hit));
      if (!query.matches(*event)) continue;
      type = std::string(event->type);
    }
    return Error{Code::condition_failed, "context " + name + ": expected no event that matches the query after offset " +
                                             std::to_string(from.value() - 1) + ", found " + type + " at offset " +
                                             std::to_string(hit->offset.value())};
  }
}

}  // namespace baton::store
