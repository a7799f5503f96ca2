#include "log/live_check.h"

#include "base/try.h"

namespace baton::log {

Status check_catalogue_end(const LiveHeader& live, const Catalogue& catalogue) {
  if (live.state == LiveState::failed || catalogue.bytes() >= live.catalogue_bytes) return {};
  return Error{Code::corrupt, "catalogue, position " + std::to_string(catalogue.bytes()) + ": its end is missing: its writer had made it " +
                                  std::to_string(live.catalogue_bytes) + " bytes long; restore it, or the store from a backup"};
}

Status check_live(os::Env& env, const std::string& directory, const Catalogue& catalogue, const RecoveredStore& store) {
  auto live = LiveReader::open(env, directory);
  if (!live) {
    // Damaged marks say nothing; those that cannot be read might.
    const bool unread = live.error().code == Code::io_error || live.error().code == Code::read_only;
    return unread ? Status(std::move(live).error()) : Status();
  }
  const auto header = (*live)->header();
  if (!header || header->store_id != catalogue.state().store_id || header->state == LiveState::failed) return {};
  if (header->boot_id.empty() || header->boot_id != env.boot_id() || header->epoch < catalogue.state().epoch) return {};
  BATON_TRY(check_catalogue_end(*header, catalogue));
  for (std::size_t i = 0; i < header->slot_count; ++i) {
    const auto slot = (*live)->slot(i);
    if (!slot) continue;
    const auto partition = store.partitions.find(slot->key);
    if (partition == store.partitions.end() || partition->second.durability == Durability::memory) continue;
    if (slot->durable <= partition->second.end) continue;
    const auto& torn = store.journal->torn();
    const auto& files = store.journal->files();
    const std::string place = torn ? torn->name + ", position " + std::to_string(torn->position)
                                   : (files.empty() ? std::string("journal") : files.back().name) + ", position 0";
    return Error{Code::corrupt, place + ": rounds are missing or damaged that were acknowledged: " + partition_directory(slot->key) + " ends at offset " +
                                    std::to_string(partition->second.end.value()) + " with what is left, and was durable up to " +
                                    std::to_string(slot->durable.value()) + "; restore the journal, or the store from a backup"};
  }
  return {};
}

}  // namespace baton::log
