// Records as they stand in the file: fixed part, payload, zeros to the next 512 bytes; and the walk over them, which tells a torn
// tail from damage.
#include <algorithm>
#include <optional>

#include "base/crc32c.h"
#include "base/try.h"
#include "base/varint.h"
#include "log/catalogue_records.h"

namespace baton::log {
namespace {

constexpr std::uint32_t kMagic = 0x31434c42;  // "BLC1"
constexpr std::size_t kCrcAt = 4;
constexpr std::size_t kCrcFrom = 8;  // what the CRC covers starts behind it

struct Fixed {
  std::uint32_t crc = 0;
  std::uint32_t payload_bytes = 0;
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint64_t sequence = 0;
  std::uint32_t previous_crc = 0;
  std::uint32_t reserved = 0;
};

std::size_t padded(std::size_t bytes) {
  return (bytes + kCatalogueSectorBytes - 1) / kCatalogueSectorBytes * kCatalogueSectorBytes;
}

// The record at the start of `bytes` if there is a whole one, right in itself: magic, CRC, zeros behind the payload.
std::optional<Fixed> read_fixed(base::ByteView bytes) {
  base::Reader in(bytes);
  if (bytes.size() < kCatalogueSectorBytes || in.le<std::uint32_t>() != kMagic) return std::nullopt;
  Fixed f;
  f.crc = *in.le<std::uint32_t>();
  f.payload_bytes = *in.le<std::uint32_t>();
  f.type = *in.le<std::uint16_t>();
  f.flags = *in.le<std::uint16_t>();
  f.sequence = *in.le<std::uint64_t>();
  f.previous_crc = *in.le<std::uint32_t>();
  f.reserved = *in.le<std::uint32_t>();
  const std::size_t end = kCatalogueFixedBytes + std::size_t{f.payload_bytes};
  if (padded(end) > bytes.size()) return std::nullopt;
  if (f.crc != base::crc32c(0, bytes.first(end).subspan(kCrcFrom))) return std::nullopt;
  const base::ByteView padding = bytes.first(padded(end)).subspan(end);
  if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{0}; })) return std::nullopt;
  return f;
}

// The distance to a good record with a higher sequence behind the bad one at the start of `bytes`; 0: there is none.
std::size_t good_record_behind(base::ByteView bytes, std::uint64_t sequence) {
  for (std::size_t at = kCatalogueSectorBytes; at < bytes.size(); at += kCatalogueSectorBytes) {
    if (const auto f = read_fixed(bytes.subspan(at)); f && f->sequence > sequence) return at;
  }
  return 0;
}

Status check_order(const Fixed& f, const CataloguePosition& position) {
  if (f.sequence != position.sequence) {
    return Error{Code::corrupt, "it has sequence " + std::to_string(f.sequence) + " where " +
                                    std::to_string(position.sequence) + " must stand"};
  }
  if (f.previous_crc != position.previous_crc) return Error{Code::corrupt, "it does not follow the record before it"};
  const bool first = f.type == static_cast<std::uint16_t>(CatalogueRecord::store);
  if (first != (f.sequence == 0)) return Error{Code::corrupt, "a store record must be the first, and only that"};
  if (f.type < kFirstSkippableType && (f.flags != 0 || f.reserved != 0)) {
    return Error{Code::unsupported_format,
                 "it has flags that this program does not know: use a newer one; nothing was changed"};
  }
  return {};
}

}  // namespace

base::Bytes encode_record(const CataloguePosition& position, CatalogueRecord type, base::ByteView payload) {
  base::Bytes record;
  record.reserve(padded(kCatalogueFixedBytes + payload.size()));
  base::put_le<std::uint32_t>(record, kMagic);
  base::put_le<std::uint32_t>(record, 0);  // the CRC, below
  base::put_le<std::uint32_t>(record, static_cast<std::uint32_t>(payload.size()));
  base::put_le<std::uint16_t>(record, static_cast<std::uint16_t>(type));
  base::put_le<std::uint16_t>(record, 0);  // flags
  base::put_le<std::uint64_t>(record, position.sequence);
  base::put_le<std::uint32_t>(record, position.previous_crc);
  base::put_le<std::uint32_t>(record, 0);  // reserved
  base::put_bytes(record, payload);
  base::store_le<std::uint32_t>(record.data() + kCrcAt, base::crc32c(0, base::ByteView(record).subspan(kCrcFrom)));
  record.resize(padded(record.size()));
  return record;
}

void move_behind(CataloguePosition& position, base::ByteView record) {
  position.end += record.size();
  ++position.sequence;
  position.previous_crc = base::load_le<std::uint32_t>(record.data() + kCrcAt);
}

Result<std::uint64_t> load_records(base::ByteView bytes, CataloguePosition& position, CatalogueState& state,
                                   const std::string& path) {
  while (!bytes.empty()) {
    const auto where = [&] {
      return path + ", record " + std::to_string(position.sequence) + " at byte " + std::to_string(position.end);
    };
    const auto fixed = read_fixed(bytes);
    if (!fixed) {
      const std::size_t behind = good_record_behind(bytes, position.sequence);
      if (behind == 0) return bytes.size();
      return Error{Code::corrupt,
                   where() + ": it is damaged, and a good one follows at byte " + std::to_string(position.end + behind)};
    }
    Status status = check_order(*fixed, position);
    const base::ByteView payload = bytes.subspan(kCatalogueFixedBytes, fixed->payload_bytes);
    if (status.ok()) status = apply_record(state, fixed->type, payload, true);
    if (!status.ok()) {
      // A record with a good CRC was written so: what contradicts it is not a torn write.
      const Code code = status.error().code == Code::unsupported_format ? Code::unsupported_format : Code::corrupt;
      return Error{code, where() + ": " + status.error().detail};
    }
    const std::size_t size = padded(kCatalogueFixedBytes + payload.size());
    move_behind(position, bytes.first(size));
    bytes = bytes.subspan(size);
  }
  return 0;
}

}  // namespace baton::log
