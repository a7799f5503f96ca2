#include "store/heads_snapshot.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <vector>

#include "base/crc32c.h"
#include "base/try.h"

namespace baton::store {
namespace {

// File: header (512) | block (65536)* | directory: first hash of each block, u64 | crc of the directory u32.
// Block: entries | zeros | count u32 | crc u32. An entry does not cross blocks.
constexpr std::string_view kMagic = "BTNHEAD1";
constexpr std::string_view kPrefix = "heads-";
constexpr std::size_t kHeaderBytes = 512;
constexpr std::size_t kBlockBytes = 64u << 10;
constexpr std::size_t kBlockRoom = kBlockBytes - 8;
constexpr std::size_t kFixedBytes = 8 + 1 + 8 + 8 + 1 + 8;  // of an entry, without its name
constexpr std::uint8_t kDeletedFlag = 1;

void put_head(std::byte* to, std::uint64_t hash, const StreamHead& head) {
  base::store_le<std::uint64_t>(to, hash);
  to[8] = static_cast<std::byte>(head.name.size());
  std::memcpy(to + 9, head.name.data(), head.name.size());
  to += 9 + head.name.size();
  base::store_le<std::int64_t>(to, head.last_version.value());
  base::store_le<std::int64_t>(to + 8, head.truncated_before.value());
  to[16] = static_cast<std::byte>(head.deleted ? kDeletedFlag : 0);
  base::store_le<std::int64_t>(to + 17, head.last_offset.value());
}

struct ParsedHead {
  std::uint64_t hash = 0;
  std::string_view name;
  const std::byte* rest = nullptr;
  std::size_t bytes = 0;

  [[nodiscard]] StreamHead head() const {
    return {.name = std::string(name),
            .last_version = StreamVersion(base::load_le<std::int64_t>(rest)),
            .truncated_before = StreamVersion(base::load_le<std::int64_t>(rest + 8)),
            .deleted = (static_cast<std::uint8_t>(rest[16]) & kDeletedFlag) != 0,
            .last_offset = log::Offset(base::load_le<std::int64_t>(rest + 17))};
  }
};

// The entry at the start of `in`; nullopt when it does not end there.
std::optional<ParsedHead> parse_head(base::ByteView in) {
  if (in.size() < kFixedBytes) return std::nullopt;
  const auto length = static_cast<std::size_t>(in[8]);
  if (length == 0 || in.size() < kFixedBytes + length) return std::nullopt;
  return ParsedHead{.hash = base::load_le<std::uint64_t>(in.data()),
                    .name = base::as_text(in.subspan(9, length)),
                    .rest = in.data() + 9 + length,
                    .bytes = kFixedBytes + length};
}

base::Bytes make_header(const log::PartitionKey& partition, log::Offset offset, std::uint64_t count,
                        std::uint64_t blocks) {
  base::Bytes header;
  base::put_bytes(header, base::as_bytes(kMagic));
  base::put_bytes(header, std::as_bytes(std::span(partition.topic.bytes)));
  base::put_le<std::int32_t>(header, partition.partition.value());
  base::put_le<std::uint32_t>(header, 0);
  base::put_le<std::int64_t>(header, offset.value());
  base::put_le<std::uint64_t>(header, count);
  base::put_le<std::uint64_t>(header, blocks);
  header.resize(kHeaderBytes - 4);
  base::put_le<std::uint32_t>(header, base::crc32c(0, header));
  return header;
}

}  // namespace

std::string heads_file_name(log::Offset offset) {
  const std::string digits = std::to_string(offset.value());
  return std::string(kPrefix) + std::string(20 - std::min<std::size_t>(20, digits.size()), '0') + digits;
}

std::optional<log::Offset> parse_heads_file_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 20) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::int64_t offset = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), offset);
  if (error != std::errc{} || end != name.data() + name.size() || offset < 0) return std::nullopt;
  return log::Offset(offset);
}

struct HeadsWriter::State {
  os::FileSystem& fs;
  std::string path;
  std::string temporary;
  log::PartitionKey partition;
  log::Offset offset;
  std::unique_ptr<os::File> file;
  base::Bytes block = base::Bytes(kBlockBytes);
  std::size_t used = 0;
  std::uint32_t block_count = 0;
  std::uint64_t count = 0;
  std::vector<std::uint64_t> first_hashes;
  std::uint64_t last_hash = 0;
  std::string last_name;

  [[nodiscard]] std::uint64_t position() const { return kHeaderBytes + (first_hashes.size() - 1) * kBlockBytes; }

  [[nodiscard]] Status finish_block() {
    if (block_count == 0) return {};
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(used), block.end(), std::byte{0});
    base::store_le<std::uint32_t>(block.data() + kBlockRoom, block_count);
    base::store_le<std::uint32_t>(block.data() + kBlockRoom + 4,
                                  base::crc32c(0, base::ByteView(block).first(kBlockRoom + 4)));
    used = 0;
    block_count = 0;
    return file->write_at(position(), block);
  }

  [[nodiscard]] Status finish() {
    BATON_TRY(finish_block());
    base::Bytes directory;
    for (const std::uint64_t hash : first_hashes) base::put_le<std::uint64_t>(directory, hash);
    base::put_le<std::uint32_t>(directory, base::crc32c(0, directory));
    BATON_TRY(file->write_at(kHeaderBytes + first_hashes.size() * kBlockBytes, directory));
    BATON_TRY(file->write_at(0, make_header(partition, offset, count, first_hashes.size())));
    BATON_TRY(file->sync_data());
    file.reset();
    BATON_TRY(fs.rename(temporary, path));
    return fs.sync_directory(os::parent(path));
  }
};

Result<std::unique_ptr<HeadsWriter>> HeadsWriter::create(os::Env& env, const std::string& directory,
                                                         const log::PartitionKey& partition, log::Offset offset) {
  const std::string path = os::join(directory, heads_file_name(offset));
  auto state = std::unique_ptr<State>(new State{.fs = env.fs(),
                                                .path = path,
                                                .temporary = path + ".tmp",
                                                .partition = partition,
                                                .offset = offset});
  BATON_TRY_ASSIGN(state->file, env.fs().open(state->temporary, {.write = true, .create = true, .truncate = true}));
  return std::unique_ptr<HeadsWriter>(new HeadsWriter(std::move(state)));
}

HeadsWriter::HeadsWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

HeadsWriter::~HeadsWriter() {
  if (!state_->file) return;  // renamed, or as good as
  state_->file.reset();
  (void)state_->fs.remove(state_->temporary);
}

Status HeadsWriter::add(const StreamHead& head) {
  State& s = *state_;
  if (head.name.empty() || head.name.size() > 255) {
    return Error{Code::invalid_argument, "a stream's name has 1 to 255 bytes, not " + std::to_string(head.name.size())};
  }
  const std::uint64_t hash = stream_hash(head.name);
  if (s.count > 0 && std::pair(hash, std::string_view(head.name)) <= std::pair(s.last_hash, std::string_view(s.last_name))) {
    return Error{Code::invalid_argument, "stream heads must come in the order of (hash, name), each once: " + head.name};
  }
  if (s.used + kFixedBytes + head.name.size() > kBlockRoom) BATON_TRY(s.finish_block());
  if (s.block_count == 0) s.first_hashes.push_back(hash);
  put_head(s.block.data() + s.used, hash, head);
  s.used += kFixedBytes + head.name.size();
  ++s.block_count;
  ++s.count;
  s.last_hash = hash;
  s.last_name = head.name;
  return {};
}

Status HeadsWriter::finish() {
  BATON_CHECK(state_->file != nullptr, "a heads snapshot is finished once");
  return state_->finish();
}

struct HeadsReader::State {
  std::string path;
  std::unique_ptr<os::Mapping> mapping;
  base::ByteView bytes;
  log::Offset offset;
  std::uint64_t count = 0;
  std::uint64_t blocks = 0;
  mutable std::unique_ptr<std::atomic<bool>[]> checked;
  std::optional<Error> damage;

  [[nodiscard]] Error damaged(std::uint64_t position, std::string_view what) const {
    return {Code::corrupt, path + " at byte " + std::to_string(position) + ": " + std::string(what) +
                               "; stream heads cannot be rebuilt: restore this file from a backup"};
  }
  [[nodiscard]] std::uint64_t first_hash(std::uint64_t block) const {
    return base::load_le<std::uint64_t>(bytes.data() + kHeaderBytes + blocks * kBlockBytes + 8 * block);
  }
  [[nodiscard]] Status check(const log::PartitionKey& partition);

  // Calls visit(ParsedHead) for each entry of a block until it says false; false then.
  template <typename F>
  [[nodiscard]] Result<bool> visit_block(std::uint64_t number, F&& visit) const {
    const std::uint64_t position = kHeaderBytes + number * kBlockBytes;
    const auto block = bytes.subspan(position, kBlockBytes);
    if (!checked[number].load(std::memory_order_relaxed)) {
      if (base::crc32c(0, block.first(kBlockRoom + 4)) != base::load_le<std::uint32_t>(block.data() + kBlockRoom + 4)) {
        return damaged(position, "the block's CRC does not match");
      }
      checked[number].store(true, std::memory_order_relaxed);
    }
    auto left = block.first(kBlockRoom);
    for (auto n = base::load_le<std::uint32_t>(block.data() + kBlockRoom); n > 0; --n) {
      const auto parsed = parse_head(left);
      if (!parsed) return damaged(position + kBlockRoom - left.size(), "an entry does not end in its block");
      if (!visit(*parsed)) return false;
      left = left.subspan(parsed->bytes);
    }
    return true;
  }
};

Status HeadsReader::State::check(const log::PartitionKey& partition) {
  if (bytes.size() < kHeaderBytes + 4 || base::as_text(bytes.first(8)) != kMagic) {
    return damaged(0, "it does not begin as a heads snapshot");
  }
  const std::byte* p = bytes.data();
  if (base::crc32c(0, bytes.first(kHeaderBytes - 4)) != base::load_le<std::uint32_t>(p + kHeaderBytes - 4)) {
    return damaged(0, "the header's CRC does not match");
  }
  offset = log::Offset(base::load_le<std::int64_t>(p + 32));
  count = base::load_le<std::uint64_t>(p + 40);
  blocks = base::load_le<std::uint64_t>(p + 48);
  if (make_header(partition, offset, count, blocks) != base::Bytes(p, p + kHeaderBytes)) {
    return damaged(8, "it belongs to another topic or partition");
  }
  const std::uint64_t room = bytes.size() - kHeaderBytes - 4;
  if (blocks > room / (kBlockBytes + 8) || blocks * (kBlockBytes + 8) != room) {
    return damaged(48, "its size does not fit the number of its blocks");
  }
  const auto directory = bytes.subspan(kHeaderBytes + blocks * kBlockBytes, 8 * blocks);
  if (base::crc32c(0, directory) != base::load_le<std::uint32_t>(p + bytes.size() - 4)) {
    return damaged(kHeaderBytes + blocks * kBlockBytes, "the directory's CRC does not match");
  }
  checked = std::make_unique<std::atomic<bool>[]>(blocks);
  return {};
}

Result<std::shared_ptr<const HeadsReader>> HeadsReader::open(os::Env& env, const std::string& path,
                                                             const log::PartitionKey& partition) {
  BATON_TRY_ASSIGN(const auto file, env.fs().open(path, {}));
  auto state = std::make_unique<State>();
  state->path = path;
  BATON_TRY_ASSIGN(state->mapping, file->map());
  state->bytes = state->mapping->bytes();
  BATON_TRY(state->check(partition));
  // An older snapshot under a newer one's name would let versions begin anew.
  const auto named = parse_heads_file_name(std::string_view(path).substr(path.rfind('/') + 1));
  if (named && *named != state->offset) return state->damaged(32, "it is of another offset than its name says");
  return std::shared_ptr<const HeadsReader>(new HeadsReader(std::move(state)));
}

std::shared_ptr<const HeadsReader> HeadsReader::damaged(log::Offset offset, Error damage) {
  auto state = std::make_unique<State>();
  state->offset = offset;
  state->damage = std::move(damage);
  return std::shared_ptr<const HeadsReader>(new HeadsReader(std::move(state)));
}

HeadsReader::HeadsReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
HeadsReader::~HeadsReader() = default;
bool HeadsReader::is_damaged() const { return state_->damage.has_value(); }
log::Offset HeadsReader::offset() const { return state_->offset; }
std::uint64_t HeadsReader::count() const { return state_->count; }

Result<std::optional<StreamHead>> HeadsReader::find(std::string_view stream) const {
  const State& s = *state_;
  if (s.damage) return *s.damage;
  const std::uint64_t hash = stream_hash(stream);
  // The first block that begins above the hash; those before it that begin with the hash, and the one before them, may have it.
  std::uint64_t from = 0;
  std::uint64_t to = s.blocks;
  while (from < to) {
    const std::uint64_t middle = from + (to - from) / 2;
    if (s.first_hash(middle) > hash) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  std::optional<StreamHead> found;
  for (std::uint64_t block = from; block-- > 0;) {
    BATON_TRY_ASSIGN(const bool whole, s.visit_block(block, [&](const ParsedHead& parsed) {
      if (parsed.hash == hash && parsed.name == stream) found = parsed.head();
      return !found && parsed.hash <= hash;
    }));
    (void)whole;
    if (found || s.first_hash(block) < hash) break;
  }
  return found;
}

Status HeadsReader::for_each(const std::function<bool(const StreamHead&)>& visit) const {
  const State& s = *state_;
  if (s.damage) return *s.damage;
  std::uint64_t seen = 0;
  for (std::uint64_t block = 0; block < s.blocks; ++block) {
    BATON_TRY_ASSIGN(const bool whole, s.visit_block(block, [&](const ParsedHead& parsed) {
      ++seen;
      return visit(parsed.head());
    }));
    if (!whole) return {};
  }
  if (seen != s.count) return s.damaged(40, "it has another number of heads than its header says");
  return {};
}

}  // namespace baton::store
