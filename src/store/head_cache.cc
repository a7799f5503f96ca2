#include "store/head_cache.h"

#include <algorithm>

namespace baton::store {
namespace {

constexpr std::size_t kFirstSlots = 256;

}  // namespace

HeadCache::HeadCache(std::size_t entries) : young_max_(std::max<std::size_t>(entries / 2, 1)) {}

// The slot of the stream, or the free one where it belongs.
std::size_t HeadCache::Table::place(std::uint64_t hash, std::string_view stream) const {
  const std::size_t mask = slots.size() - 1;
  std::size_t i = static_cast<std::size_t>(hash) & mask;
  while (slots[i].name_size != 0) {
    const Slot& slot = slots[i];
    if (slot.hash == hash && std::string_view(names).substr(slot.name_at, slot.name_size) == stream) break;
    i = (i + 1) & mask;
  }
  return i;
}

void HeadCache::Table::grow() {
  std::vector<Slot> before(std::max(slots.size() * 2, kFirstSlots));
  before.swap(slots);
  const std::size_t mask = slots.size() - 1;
  for (const Slot& slot : before) {
    if (slot.name_size == 0) continue;
    std::size_t i = static_cast<std::size_t>(slot.hash) & mask;
    while (slots[i].name_size != 0) i = (i + 1) & mask;
    slots[i] = slot;
  }
}

void HeadCache::Table::clear() {
  std::ranges::fill(slots, Slot{});
  names.clear();
  used = 0;
}

std::optional<Head> HeadCache::find(std::uint64_t hash, std::string_view stream) {
  for (Table* table : {&young_, &old_}) {
    if (table->used == 0) continue;
    const Slot& slot = table->slots[table->place(hash, stream)];
    if (slot.name_size == 0) continue;
    const Head head{.last_version = StreamVersion(slot.last_version),
                    .visible_from = StreamVersion(slot.visible_from),
                    .deleted = slot.deleted,
                    .last_offset = log::Offset(slot.last_offset)};
    if (table == &old_) put(hash, stream, head);
    return head;
  }
  return std::nullopt;
}

void HeadCache::prefetch(std::uint64_t hash) const {
  for (const Table* table : {&young_, &old_}) {
    if (table->used > 0) __builtin_prefetch(&table->slots[static_cast<std::size_t>(hash) & (table->slots.size() - 1)]);
  }
}

void HeadCache::put(std::uint64_t hash, std::string_view stream, const Head& head) {
  if ((young_.used + 1) * 4 > young_.slots.size() * 3) young_.grow();
  Slot& slot = young_.slots[young_.place(hash, stream)];
  if (slot.name_size == 0) {
    slot.hash = hash;
    slot.name_at = static_cast<std::uint32_t>(young_.names.size());
    slot.name_size = static_cast<std::uint8_t>(stream.size());
    young_.names.append(stream);
    ++young_.used;
  }
  slot.deleted = head.deleted;
  slot.last_version = head.last_version.value();
  slot.visible_from = head.visible_from.value();
  slot.last_offset = head.last_offset.value();
}

void HeadCache::end_round() {
  if (young_.used < young_max_) return;
  std::swap(young_, old_);
  if (young_.slots.size() > young_max_ * 4) young_ = Table{};  // one large round must not keep its memory for ever
  young_.clear();
}

void HeadCache::clear() {
  young_ = Table{};
  old_ = Table{};
}

}  // namespace baton::store
