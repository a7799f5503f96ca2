// The records of the catalogue log as bytes (docs/formats/catalogue.md): encode, decode, and what each does to the state. Pure
// functions, no files: catalogue.cc has those.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "log/catalogue.h"

namespace baton::log {

inline constexpr std::size_t kCatalogueSectorBytes = 512;
inline constexpr std::size_t kCatalogueFixedBytes = 32;
inline constexpr std::size_t kCataloguePayloadBytesMax = 64u << 20;
inline constexpr std::uint32_t kStoreFormat = 1;

enum class CatalogueRecord : std::uint16_t {
  store = 1,
  topic = 2,
  topic_settings = 3,
  topic_removed = 4,
  epoch = 5,
  seal = 6,
  start = 7,
  clean_close = 8,
  note = 9,
  topic_partitions = 10,
  acls = 11,
  quota = 128,  // the first that a reader which does not know it passes over
};
inline constexpr std::uint16_t kFirstSkippableType = 128;

// Payloads. too_large: a text or a list that its length field cannot say.
[[nodiscard]] Result<base::Bytes> store_payload(const StoreId& id, std::int64_t created_ms, std::string_view tool);
[[nodiscard]] Result<base::Bytes> topic_payload(const TopicInfo& topic);
[[nodiscard]] Result<base::Bytes> settings_payload(const TopicId& id, const Settings& changed);
[[nodiscard]] Result<base::Bytes> topic_removed_payload(const TopicId& id);
[[nodiscard]] Result<base::Bytes> topic_partitions_payload(const TopicId& id, std::int32_t partitions);
[[nodiscard]] Result<base::Bytes> epoch_payload(Epoch epoch, std::int64_t wall_ms, bool restore,
                                                const std::vector<std::pair<PartitionKey, Offset>>& moved);
[[nodiscard]] Result<base::Bytes> start_payload(PartitionKey partition, Offset start, bool asked, Offset heads_snapshot);
[[nodiscard]] Result<base::Bytes> clean_close_payload(Round round);
[[nodiscard]] Result<base::Bytes> note_payload(std::string_view text);
[[nodiscard]] Result<base::Bytes> acls_payload(const AclTable& removed, const AclTable& added);
[[nodiscard]] Result<base::Bytes> quota_payload(const QuotaEntity& entity, const Settings& values);

// What a record does to the state: all of it, or, with an error, nothing. `change` false: only says whether it could.
// corrupt: the payload is not one of its type. unsupported_format: a newer version wrote it. Others: it contradicts the state.
[[nodiscard]] Status apply_record(CatalogueState& state, std::uint16_t type, base::ByteView payload, bool change);

// A whole record for `position`: fixed part, payload, zeros.
[[nodiscard]] base::Bytes encode_record(const CataloguePosition& position, CatalogueRecord type, base::ByteView payload);
// Moves `position` behind the record that stands there.
void move_behind(CataloguePosition& position, base::ByteView record);

// Applies the records in `bytes`, which are the file from position.end on, and moves `position` behind them. Returns how many
// bytes are left: a torn tail, or a record that is being written. corrupt: a bad record with a good one behind it, a good one
// out of its order, or one that contradicts the state; what came before it has been applied. `path` is for the text of an error.
[[nodiscard]] Result<std::uint64_t> load_records(base::ByteView bytes, CataloguePosition& position, CatalogueState& state,
                                                 const std::string& path);

}  // namespace baton::log
