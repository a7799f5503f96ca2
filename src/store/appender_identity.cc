// Identity: which events of a request are known already (design rule 4).
#include <algorithm>

#include "base/try.h"
#include "store/appender.h"
#include "store/identity.h"

namespace baton::store {

Error Appender::mismatch(const ContextState& context, const Item& item, log::Epoch epoch, log::Offset offset) const {
  std::string at = "stream " + std::string(streams_[item.stream].name) + " of context " + context.view->name +
                   ": event id " + item.event->id + " of source " + std::string(item.source);
  if (offset.value() < 0) {
    at += " is given twice in one append with different content";
  } else {
    at += " is known with other type, data or tags (offset " + std::to_string(offset.value()) + ", epoch " +
          std::to_string(epoch.value()) + ")";
  }
  return {Code::duplicate_mismatch, at + "; an id names one event: give the changed event a new id"};
}

// The same identity twice in one request.
Status Appender::check_repeats(const ContextState& context, Append::Duplicates mode) {
  // looked_up_ names the items with an id of their own, in order; equal hashes come together when sorted.
  if (looked_up_.size() < 2) return {};
  std::vector<std::uint32_t> order = looked_up_;
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return items_[a].id_hash != items_[b].id_hash ? items_[a].id_hash < items_[b].id_hash : a < b;
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    Item& item = items_[order[i]];
    for (std::size_t j = i; j-- > 0 && items_[order[j]].id_hash == item.id_hash;) {
      const Item& before = items_[order[j]];
      if (before.event->id != item.event->id || before.stream != item.stream || before.source != item.source) continue;
      blamed_ = order[i];
      if (!same_content(context.view->name, *before.event, *item.event)) return mismatch(context, item, {}, log::Offset(-1));
      item.repeat_of = before.repeat_of >= 0 ? before.repeat_of : static_cast<std::int32_t>(order[j]);
      break;
    }
  }
  const auto repeated = std::ranges::find_if(items_, [](const Item& item) { return item.repeat_of >= 0; });
  if (repeated == items_.end() || mode == Append::Duplicates::skip) return {};
  return Error{Code::invalid_argument, "stream " + std::string(streams_[repeated->stream].name) + ": event id " + repeated->event->id +
                                           " is given twice in one append; give it once, or use the mode 'skip duplicates'"};
}

Status Appender::look_up_item(ContextState& context, PartitionState& partition, Item& item,
                              const std::optional<IndexHit>& newest, const IndexSnapshot& index) {
  const std::string_view stream = streams_[item.stream].name;
  const log::Offset log_start = partition.view->reader().bounds().log_start;
  std::optional<IndexHit> hit = newest;
  while (hit && hit->offset >= log_start) {
    if (const StagedEvent* staged = partition.staged.find(hit->offset)) {
      if (staged->event != nullptr && staged->id == item.event->id && staged->source == item.source && staged->stream == stream) {
        if (!same_content(context.view->name, *staged->event, *item.event)) {
          return mismatch(context, item, log_.epoch(), hit->offset);
        }
        item.version = staged->version;
        item.epoch = log_.epoch();
        item.duplicate = true;
      }
    } else {
      BATON_TRY_ASSIGN(const EventView* const event, partition.fetcher.fetch(*hit));
      if (event->system.empty() && event->id == item.event->id && event->source == item.source && event->stream == stream) {
        if (!same_content(context.view->name, *event, *item.event)) {
          return mismatch(context, item, log::Epoch(event->epoch), hit->offset);
        }
        item.version = event->version;
        item.epoch = log::Epoch(event->epoch);
        item.duplicate = true;
      }
    }
    if (item.duplicate) {
      item.offset = hit->offset;
      --new_items_;
      return {};
    }
    BATON_TRY_ASSIGN(hit, index.newest(item.id_hash, hit->offset));
  }
  return {};
}

// Of the items that have an id of their own.
void Appender::hash_ids() {
  hashes_.clear();
  looked_up_.clear();
  for (std::uint32_t i = 0; i < items_.size(); ++i) {
    Item& item = items_[i];
    if (item.event->id.empty()) continue;  // it gets a fresh one
    item.id_hash = id_hash(streams_[item.stream].name, item.source, item.event->id);
    hashes_.push_back(item.id_hash);
    looked_up_.push_back(i);
  }
}

Status Appender::check_identity(ContextState& context, PartitionState& partition, const Append& append) {
  hash_ids();
  if (looked_up_.empty()) return {};
  BATON_TRY(check_repeats(context, append.duplicates));

  const IndexSnapshot index = partition.view->index().snapshot();
  hits_.assign(hashes_.size(), std::nullopt);
  BATON_TRY(index.newest(hashes_, log::Offset(IndexEntry::kOffsetLimit - 1), hits_));
  for (std::size_t i = 0; i < looked_up_.size(); ++i) {
    blamed_ = looked_up_[i];
    if (hits_[i]) BATON_TRY(look_up_item(context, partition, items_[looked_up_[i]], hits_[i], index));
  }
  for (Item& item : items_) {
    if (item.repeat_of < 0 || item.duplicate) continue;
    item.duplicate = true;
    --new_items_;
  }
  const bool some_known = new_items_ < items_.size();
  if (some_known && new_items_ > 0 && append.duplicates == Append::Duplicates::refuse_partial) {
    const auto known = std::ranges::find_if(items_, &Item::duplicate);
    return Error{Code::partial_duplicate, std::to_string(items_.size() - new_items_) + " of " + std::to_string(items_.size()) +
                                              " events are known already (the first: id " + known->event->id + " in stream " +
                                              std::string(streams_[known->stream].name) +
                                              "); nothing was written; send the same append again, or use the mode 'skip duplicates'"};
  }
  return {};
}

}  // namespace baton::store
