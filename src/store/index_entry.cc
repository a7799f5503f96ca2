#include "store/index_entry.h"

#include <string>

#include "base/hash.h"

namespace baton::store {
namespace {
std::uint64_t seed(KeyKind kind) { return static_cast<std::uint64_t>(kind); }
}  // namespace

std::uint64_t stream_hash(std::string_view stream) noexcept { return base::hash64(stream, seed(KeyKind::stream)); }
std::uint64_t tag_hash(std::string_view tag) noexcept { return base::hash64(tag, seed(KeyKind::tag)); }
std::uint64_t type_hash(std::string_view type) noexcept { return base::hash64(type, seed(KeyKind::type)); }

std::uint64_t id_hash(std::string_view stream, std::string_view source, std::string_view id) {
  thread_local std::string key;  // its memory is kept, since this runs for every event
  key.assign(stream).append(1, '\0').append(source).append(1, '\0').append(id);
  const std::uint64_t hash = base::hash64(key, seed(KeyKind::id));
  if (key.capacity() > 4096) key = {};
  return hash;
}

}  // namespace baton::store
