#include "store/snapshot_store.h"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/hex.h"
#include "base/try.h"
#include "base/varint.h"
#include "store/index_entry.h"
#include "store/limits.h"

namespace baton::store {
namespace {

constexpr std::string_view kMagic = "BTNSNAP1";
constexpr std::size_t kFixedBytes = 8 + 4 + 8 + 4 + 8 + 2 + 4 + 4;
constexpr int kSlots = 2;

struct Stored {
  Snapshot snapshot;
  log::Epoch epoch;
  log::Offset offset;
};

base::Bytes encode(std::string_view stream, const Snapshot& snapshot, log::Epoch epoch, log::Offset offset) {
  base::Bytes out;
  out.reserve(kFixedBytes + stream.size() + snapshot.bytes.size());
  base::put_bytes(out, base::as_bytes(kMagic));
  base::put_le<std::int32_t>(out, snapshot.shape);
  base::put_le<std::int64_t>(out, snapshot.version);
  base::put_le<std::int32_t>(out, epoch.value());
  base::put_le<std::int64_t>(out, offset.value());
  base::put_le<std::uint16_t>(out, static_cast<std::uint16_t>(stream.size()));
  base::put_bytes(out, base::as_bytes(stream));
  base::put_le<std::uint32_t>(out, static_cast<std::uint32_t>(snapshot.bytes.size()));
  base::put_bytes(out, base::as_bytes(snapshot.bytes));
  base::put_le<std::uint32_t>(out, base::crc32c(0, out));
  return out;
}

// Nothing for bytes that are not a whole snapshot of this stream.
std::optional<Stored> decode(base::ByteView file, std::string_view stream) {
  if (file.size() < kFixedBytes) return std::nullopt;
  const auto body = file.first(file.size() - 4);
  if (base::load_le<std::uint32_t>(file.data() + body.size()) != base::crc32c(0, body)) return std::nullopt;
  base::Reader in(body);
  const auto magic = in.bytes(kMagic.size());
  const auto shape = in.le<std::int32_t>();
  const auto version = in.le<std::int64_t>();
  const auto epoch = in.le<std::int32_t>();
  const auto offset = in.le<std::int64_t>();
  const auto name_size = in.le<std::uint16_t>();
  if (!magic || base::as_text(*magic) != kMagic || !shape || !version || !epoch || !offset || !name_size) return std::nullopt;
  const auto name = in.bytes(*name_size);
  const auto size = in.le<std::uint32_t>();
  if (!name || base::as_text(*name) != stream || !size || *size != in.remaining()) return std::nullopt;
  return Stored{{.version = *version, .shape = *shape, .bytes = std::string(base::as_text(in.rest()))}, log::Epoch(*epoch), log::Offset(*offset)};
}

}  // namespace

SnapshotStore::SnapshotStore(os::FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

std::string SnapshotStore::path(std::string_view stream, int slot) const {
  std::array<std::byte, 8> hash;
  base::store_be<std::uint64_t>(hash.data(), stream_hash(stream));
  return os::join(directory_, base::to_hex(hash) + "-" + std::to_string(slot));
}

Status SnapshotStore::save(std::string_view stream, const Snapshot& snapshot, log::Epoch epoch, log::Offset offset) {
  BATON_TRY(check_stream_name(stream));
  if (snapshot.version < 0) return Error{Code::invalid_argument, "a snapshot has the version of the last event that went into it, 0 or more"};
  if (snapshot.bytes.size() > kSnapshotBytesMax) {
    return Error{Code::too_large, "the snapshot has " + std::to_string(snapshot.bytes.size()) + " bytes; at most " +
                                      std::to_string(kSnapshotBytesMax) + " are kept"};
  }
  // The slot to replace: one that is of no use, else the older one.
  int slot = 0;
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kSlots; ++i) {
    std::int64_t version = -1;
    if (const auto file = os::read_file(fs_, path(stream, i), kFixedBytes + kNameBytesMax + kSnapshotBytesMax)) {
      if (const auto stored = decode(*file, stream)) version = stored->snapshot.version;
    }
    if (version < oldest) {
      oldest = version;
      slot = i;
    }
  }
  BATON_TRY(os::make_directories(fs_, directory_));
  const std::string target = path(stream, slot);
  const std::string temporary = target + ".tmp";
  {
    BATON_TRY_ASSIGN(const auto file, fs_.open(temporary, {.write = true, .create = true, .truncate = true}));
    BATON_TRY(file->write_at(0, encode(stream, snapshot, epoch, offset)));
  }
  return fs_.rename(temporary, target);
}

Result<std::optional<Snapshot>> SnapshotStore::load(std::string_view stream, std::int32_t shape, std::int64_t version_max,
                                                    const Confirm& confirm) const {
  std::array<std::optional<Stored>, kSlots> found;
  for (int i = 0; i < kSlots; ++i) {
    // Whatever is wrong with a slot, the events are there: replay takes its place.
    const auto file = os::read_file(fs_, path(stream, i), kFixedBytes + kNameBytesMax + kSnapshotBytesMax);
    if (file) found[static_cast<std::size_t>(i)] = decode(*file, stream);
  }
  std::ranges::sort(found, std::greater(), [](const auto& s) { return s ? s->snapshot.version : -1; });
  for (auto& stored : found) {
    if (!stored || stored->snapshot.shape != shape || stored->snapshot.version > version_max || stored->snapshot.version < 0) continue;
    BATON_TRY_ASSIGN(const bool good, confirm(stored->snapshot.version, stored->epoch, stored->offset));
    if (good) return std::optional(std::move(stored->snapshot));
  }
  return std::optional<Snapshot>();
}

Status SnapshotStore::remove(std::string_view stream) {
  for (int i = 0; i < kSlots; ++i) {
    if (auto removed = fs_.remove(path(stream, i)); !removed && removed.error().code != Code::not_found) return removed;
  }
  return {};
}

}  // namespace baton::store
