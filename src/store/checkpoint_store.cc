#include "store/checkpoint_store.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/hex.h"
#include "base/try.h"
#include "base/varint.h"
#include "store/limits.h"
#include "store/position_codec.h"

namespace baton::store {
namespace {

constexpr std::string_view kMagic = "BTNCKPT1";
constexpr std::size_t kFileBytesMax = 4096 + kPositionBytesMax;

void put_text(base::Bytes& out, std::string_view text) {
  base::put_le<std::uint16_t>(out, static_cast<std::uint16_t>(text.size()));
  base::put_bytes(out, base::as_bytes(text));
}

std::optional<std::string> take_text(base::Reader& in) {
  const auto size = in.le<std::uint16_t>();
  if (!size) return std::nullopt;
  const auto text = in.bytes(*size);
  if (!text) return std::nullopt;
  return std::string(base::as_text(*text));
}

std::optional<StoredCheckpoint> decode(base::ByteView file) {
  if (file.size() < kMagic.size() + 4) return std::nullopt;
  const auto body = file.first(file.size() - 4);
  if (base::load_le<std::uint32_t>(file.data() + body.size()) != base::crc32c(0, body)) return std::nullopt;
  base::Reader in(body);
  const auto magic = in.bytes(kMagic.size());
  if (!magic || base::as_text(*magic) != kMagic) return std::nullopt;
  auto name = take_text(in);
  auto context = take_text(in);
  auto position = take_text(in);
  if (!name || !context || !position || !in.empty()) return std::nullopt;
  return StoredCheckpoint{std::move(*name), std::move(*context), Position{std::move(*position)}};
}

Status check_name(std::string_view name) {
  if (!name.empty() && name.size() <= kCheckpointNameBytesMax && valid_utf8(name)) return {};
  return Error{Code::invalid_argument, "a checkpoint's name is 1 to 100 bytes of UTF-8; this one has " + std::to_string(name.size())};
}

Error other_context(const StoredCheckpoint& stored, std::string_view context) {
  return {Code::invalid_argument, "checkpoint '" + stored.name + "' belongs to another context than " + std::string(context) +
                                      ": use another name"};
}

}  // namespace

CheckpointStore::CheckpointStore(os::FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

std::string CheckpointStore::path(std::string_view name) const { return os::join(directory_, base::to_hex(base::as_bytes(name))); }

Result<std::optional<StoredCheckpoint>> CheckpointStore::read(std::string_view name) const {
  const auto file = os::read_state_file(fs_, path(name), kFileBytesMax);
  if (!file && file.error().code == Code::not_found) return std::optional<StoredCheckpoint>();
  if (!file && file.error().code != Code::corrupt) return file.error();
  auto stored = file ? decode(*file) : std::nullopt;
  if (!stored || stored->name != name) {
    return Error{Code::corrupt, path(name) + ": the file of checkpoint '" + std::string(name) +
                                    "' is damaged. Remove it to begin again, or start from a position or a time"};
  }
  return stored;
}

Status CheckpointStore::save(std::string_view name, std::string_view context, const Position& position) {
  BATON_TRY(check_name(name));
  BATON_TRY(check_context_name(context));
  const std::lock_guard writing(writing_);
  BATON_TRY_ASSIGN(const auto before, read(name));
  if (before && before->context != context) return other_context(*before, context);
  if (before && before->position == position && is_durable(name)) return {};
  return write({std::string(name), std::string(context), position});
}

Status CheckpointStore::write(const StoredCheckpoint& checkpoint) {
  base::Bytes out;
  base::put_bytes(out, base::as_bytes(kMagic));
  put_text(out, checkpoint.name);
  put_text(out, checkpoint.context);
  put_text(out, checkpoint.position.token);
  base::put_le<std::uint32_t>(out, base::crc32c(0, out));
  const std::string target = path(checkpoint.name);
  const std::string temporary = target + ".tmp";
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) return failure_;
    durable_.erase(checkpoint.name);
  }
  // What fails up to the sync can be tried again. A sync that failed cannot (F12): what it lost looks as if it were there.
  const auto fill = [&]() -> Result<std::unique_ptr<os::File>> {
    BATON_TRY_ASSIGN(auto file, fs_.open(temporary, {.write = true, .create = true, .truncate = true}));
    BATON_TRY(file->write_at(0, out));
    return file;
  };
  const auto sync = [&](os::File& file) -> Status {
    BATON_TRY(file.sync_data());
    BATON_TRY(fs_.rename(temporary, target));
    return fs_.sync_directory(directory_);
  };
  Status made;
  if (!made_.load(std::memory_order_acquire)) made = os::make_directories(fs_, directory_);
  Status synced = made;
  if (made) {
    made_.store(true, std::memory_order_release);
    BATON_TRY_ASSIGN(const auto file, fill());
    synced = sync(*file);
  }
  const std::lock_guard lock(mutex_);
  if (synced) {
    durable_.insert(checkpoint.name);
  } else {
    failure_ = Error{Code::store_failed, "no more checkpoints are saved, since the disk failed (" + synced.error().detail +
                                             "): open the store again"};
  }
  return synced;
}

bool CheckpointStore::is_durable(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  return durable_.contains(name);
}

Result<std::optional<Position>> CheckpointStore::load(std::string_view name, std::string_view context) const {
  BATON_TRY(check_name(name));
  BATON_TRY_ASSIGN(auto stored, read(name));
  if (!stored) return std::optional<Position>();
  if (stored->context != context) return other_context(*stored, context);
  return std::optional(std::move(stored->position));
}

Result<std::vector<std::string>> CheckpointStore::names() const {
  std::vector<std::string> all;
  BATON_TRY_ASSIGN(const bool there, fs_.exists(directory_));
  if (!there) return all;
  BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
  for (const auto& entry : entries) {
    const auto name = base::from_hex(entry.name);  // not a temporary file that a crash left
    if (name && !entry.is_directory) all.emplace_back(base::as_text(*name));
  }
  return all;
}

Result<std::vector<StoredCheckpoint>> CheckpointStore::list() const {
  std::vector<StoredCheckpoint> all;
  BATON_TRY_ASSIGN(const auto all_names, names());
  for (const auto& name : all_names) {
    BATON_TRY_ASSIGN(auto stored, read(name));
    if (stored) all.push_back(std::move(*stored));
  }
  return all;
}

Result<std::vector<CheckpointStore::Damaged>> CheckpointStore::damaged() const {
  std::vector<Damaged> all;
  BATON_TRY_ASSIGN(const auto all_names, names());
  for (const auto& name : all_names) {
    const auto stored = read(name);
    if (stored) continue;
    if (stored.error().code != Code::corrupt) return stored.error();
    all.push_back({base::to_hex(base::as_bytes(name)), name});
  }
  return all;
}

Status CheckpointStore::remove(std::string_view name) {
  BATON_TRY(check_name(name));
  if (auto removed = fs_.remove(path(name)); !removed) return removed.error().code == Code::not_found ? Status() : std::move(removed);
  return fs_.sync_directory(directory_);
}

Status CheckpointStore::lower(const Lowered& lowered) {
  const std::lock_guard writing(writing_);
  BATON_TRY_ASSIGN(const auto all, names());
  for (const auto& name : all) {
    const auto stored = read(name);
    if (!stored && stored.error().code == Code::corrupt) continue;  // whoever uses it will be told; the others must not suffer
    if (!stored) return stored.error();
    if (!*stored) continue;
    BATON_TRY_ASSIGN(auto position, lowered(**stored));
    if (position) BATON_TRY(write({(*stored)->name, (*stored)->context, std::move(*position)}));
  }
  return {};
}

}  // namespace baton::store
