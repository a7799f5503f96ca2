// Retention: what must be known of the streams in a segment is made durable before the segment goes (design rule 8).
#include "base/try.h"
#include "os/file.h"
#include "store/heads_fold.h"
#include "store/store_core.h"

namespace baton::store {

PartitionState* StoreCore::find_partition(const log::PartitionKey& key, ContextState** context) {
  for (const auto& candidate : contexts_) {
    if (candidate->view->id != key.topic) continue;
    *context = candidate.get();
    return candidate->partitions[static_cast<std::size_t>(key.partition.value())].get();
  }
  return nullptr;
}

Status StoreCore::apply_retention() {
  std::vector<std::pair<PartitionState*, log::Offset>> moved;
  const auto keep_heads = [&](const log::PartitionKey& key, log::Offset new_start) -> Result<log::Offset> {
    ContextState* context = nullptr;
    PartitionState* const partition = find_partition(key, &context);
    if (partition == nullptr) return log::Offset(0);
    PartitionView& view = *partition->view;
    BATON_TRY(fold_heads(env_, *context->view, view, new_start));
    BATON_TRY_ASSIGN(auto heads, HeadsReader::open(env_, os::join(view.directory(), heads_file_name(new_start)), key));
    // Before the log's start moves: a reader that finds a stream's records gone finds its head here.
    view.set_heads(std::move(heads));
    moved.emplace_back(partition, new_start);
    return new_start;
  };
  BATON_TRY(log_->apply_retention(keep_heads));
  for (const auto& [partition, start] : moved) {
    partition->view->index().drop_below(start);
    BATON_TRY(remove_other_heads(env_, *partition->view, start));
  }
  return {};
}

}  // namespace baton::store
