#include "store/stream_list.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.h"
#include "store/index_feed.h"
#include "store/index_walk.h"
#include "store/limits.h"
#include "store/stream_lookup.h"

namespace baton::store {
namespace {

using Key = std::pair<std::uint64_t, std::string>;  // the order of the list

struct Listed {
  Key key;
  Store::StreamHead head;
};

class PartitionList {
 public:
  PartitionList(const ContextView& context, const PartitionView& partition, IndexSnapshot index, const std::string& prefix,
                const std::optional<Key>& after, std::size_t limit)
      : partition_(partition),
        prefix_(prefix),
        after_(after),
        limit_(limit),
        to_(partition.end()),
        index_(std::move(index)),
        fetcher_(context, partition, nullptr) {}

  Status gather(std::vector<Listed>& out) {
    std::vector<Listed> indexed;
    const log::Offset log_start = partition_.reader().bounds().log_start;
    IndexWalk walk(index_, after_ ? after_->first : 0, log_start, to_, kNoStreamVersion);
    while (indexed.size() < limit_) {
      BATON_TRY_ASSIGN(const auto entries, walk.next());
      if (entries.empty()) break;
      const std::size_t before = indexed.size();
      for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) BATON_TRY(take(*entry, before, indexed));
      // Streams with one hash come in the order of their names.
      std::ranges::sort(indexed.begin() + static_cast<std::ptrdiff_t>(before), indexed.end(), {}, &Listed::key);
    }
    BATON_TRY(add_removed(indexed));
    std::ranges::move(indexed, std::back_inserter(out));
    return {};
  }

 private:
  Status take(const IndexEntry& entry, std::size_t same_hash_from, std::vector<Listed>& out) {
    BATON_TRY_ASSIGN(const EventView* const event, fetcher_.fetch(entry.unpack()));
    if (stream_hash(event->stream) != entry.hash) return {};  // another kind of key
    const std::string name(event->stream);
    const auto known = std::find_if(out.begin() + static_cast<std::ptrdiff_t>(same_hash_from), out.end(),
                                    [&](const Listed& listed) { return listed.head.stream == name; });
    if (known != out.end() || !name.starts_with(prefix_)) return {};
    Listed listed{.key = {entry.hash, name}, .head = {.stream = name}};
    if (after_ && listed.key <= *after_) return {};
    const bool deletes = !event->system.empty() && !truncated_before(event->system);
    listed.head.last_version = entry.unpack().version.value();
    listed.head.deleted = deletes;
    out.push_back(std::move(listed));
    return {};
  }

  // Streams that have no records any more are known from the heads snapshot only.
  Status add_removed(std::vector<Listed>& out) {
    const auto heads = partition_.heads();
    if (heads == nullptr) return {};
    const bool whole = out.size() < limit_;
    std::vector<Listed> removed;
    std::size_t at = 0;
    BATON_TRY(heads->for_each([&](const StreamHead& head) {
      Listed listed{.key = {stream_hash(head.name), head.name},
                    .head = {.stream = head.name, .last_version = head.last_version.value(), .deleted = head.deleted}};
      if ((after_ && listed.key <= *after_) || !head.name.starts_with(prefix_)) return true;
      while (at < out.size() && out[at].key < listed.key) ++at;
      if (at < out.size() && out[at].key == listed.key) return true;
      if (at == out.size() && !whole) return false;  // beyond this page
      removed.push_back(std::move(listed));
      return removed.size() < limit_;
    }));
    std::ranges::move(removed, std::back_inserter(out));
    return {};
  }

  const PartitionView& partition_;
  const std::string& prefix_;
  const std::optional<Key>& after_;
  std::size_t limit_;
  log::Offset to_;
  IndexSnapshot index_;
  RecordFetcher fetcher_;
};

}  // namespace

Result<Store::StreamsPage> list_streams(const ContextView& context, const std::string& prefix, const std::string& after,
                                        std::size_t limit) {
  if (limit == 0) return Error{Code::invalid_argument, "a list needs a limit of at least 1"};
  limit = std::min(limit, SIZE_MAX - 1);  // one more tells that there is more
  std::optional<Key> after_key;
  if (!after.empty()) {
    BATON_TRY(check_stream_name(after));
    after_key = Key{stream_hash(after), after};
  }
  std::vector<Listed> all;
  for (const auto& partition : context.partitions) {
    auto index = partition->index_snapshot();
    Status gathered;
    if (index) gathered = PartitionList(context, *partition, *std::move(index), prefix, after_key, limit + 1).gather(all);
    if (index && gathered) continue;
    // What is damaged may also be the log, or the heads that a retention has kept: they are not made again.
    if (!gathered && (gathered.error().code != Code::corrupt || partition->index().health())) return gathered.error();
    if (const auto trouble = partition->index_trouble()) return Error{trouble->code, "context " + context.name + ": " + trouble->detail};
    return Error{Code::unavailable, "context " + context.name + ": its index is being rebuilt from the log; try again"};
  }
  std::ranges::sort(all, {}, &Listed::key);
  Store::StreamsPage page;
  for (Listed& listed : all) {
    if (page.streams.size() == limit) {
      page.next = page.streams.back().stream;
      break;
    }
    page.streams.push_back(std::move(listed.head));
  }
  return page;
}

}  // namespace baton::store
