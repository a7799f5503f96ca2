#include "store/index_run.h"

#include <algorithm>
#include <bit>

#include "base/crc32c.h"
#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kFetchedEntries = 10;  // before and behind the place where an entry is likely

// The first number in [from, to) for which `is_past` holds, or `to`; it holds from some number on, probably soon.
template <typename F>
std::uint64_t gallop(std::uint64_t from, std::uint64_t to, F&& is_past) {
  std::uint64_t step = 1;
  while (from < to && !is_past(from + std::min(step, to - from) - 1)) {
    from += std::min(step, to - from);
    step *= 2;
  }
  to = std::min(to, from + step);
  while (from < to) {
    const std::uint64_t middle = from + (to - from) / 2;
    if (is_past(middle)) {
      to = middle;
    } else {
      from = middle + 1;
    }
  }
  return from;
}

bool filter_has(const std::byte* line, std::uint64_t hash) {
  std::uint64_t bits = filter_bits_of(hash);
  std::uint64_t all = 1;
  for (std::size_t i = 0; i < 8; ++i) {
    all &= base::load_le<std::uint64_t>(line + 8 * i) >> (bits & 63);
    bits >>= 6;
  }
  return all != 0;
}

std::uint64_t line_position(const RunLayout& layout, std::uint64_t line) {
  return layout.filter_position + line / RunLayout::kPageLines * RunLayout::kBlockBytes +
         line % RunLayout::kPageLines * RunLayout::kLineBytes;
}

}  // namespace

Result<std::shared_ptr<const IndexRun>> IndexRun::open(os::FileSystem& fs, const std::string& directory,
                                                       const RunInfo& info) {
  std::string path = os::join(directory, run_file_name(info.number));
  BATON_TRY_ASSIGN(const auto file, fs.open(path, {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  if (info.entries == 0 || info.entries >= RunLayout::kEntriesLimit || size != RunLayout(info.entries).file_bytes) {
    return Error{Code::corrupt, path + ": an index run of " + std::to_string(info.entries) + " entries cannot have " +
                                    std::to_string(size) + " bytes"};
  }
  BATON_TRY_ASSIGN(auto mapping, file->map());
  if (mapping->bytes().size() != size) return Error{Code::corrupt, path + ": its size changed while it was opened"};
  std::shared_ptr<IndexRun> run(new IndexRun(std::move(mapping), std::move(path), info));
  BATON_TRY(run->check_footer());
  run->make_fences();
  return std::shared_ptr<const IndexRun>(std::move(run));
}

IndexRun::IndexRun(std::unique_ptr<os::Mapping> mapping, std::string path, const RunInfo& info)
    : mapping_(std::move(mapping)),
      data_(mapping_->bytes().data()),
      path_(std::move(path)),
      info_(info),
      layout_(info.entries),
      checked_(std::make_unique<std::atomic<std::uint64_t>[]>((layout_.blocks + layout_.filter_pages) / 64 + 1)) {}

Error IndexRun::damaged(std::uint64_t position, std::string_view what) const {
  return {Code::corrupt, path_ + " at byte " + std::to_string(position) + ": " + std::string(what) +
                             "; the index is derived and will be rebuilt from the log"};
}

Status IndexRun::check_footer() const {
  const std::byte* footer = data_ + layout_.footer_position;
  const std::uint32_t crc = base::load_le<std::uint32_t>(footer + 252);
  if (base::crc32c(0, {footer, 252}) != crc) return damaged(layout_.footer_position, "the footer's CRC does not match");
  const std::array<std::uint64_t, 8> expected = {layout_.entries,
                                                 layout_.blocks,
                                                 layout_.filter_position,
                                                 layout_.filter_bytes,
                                                 layout_.directory_position,
                                                 layout_.directory_bytes,
                                                 static_cast<std::uint64_t>(info_.first),
                                                 static_cast<std::uint64_t>(info_.end)};
  bool equal = crc == info_.footer_crc && std::memcmp(footer, "BTNIDX01", 8) == 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    equal = equal && base::load_le<std::uint64_t>(footer + 8 + 8 * i) == expected[i];
  }
  if (!equal) return damaged(layout_.footer_position, "the footer is not the one that the manifest names");
  const std::uint32_t directory_crc = base::crc32c(0, {data_ + layout_.directory_position, layout_.directory_bytes});
  if (directory_crc != base::load_le<std::uint32_t>(footer + 72)) {
    return damaged(layout_.directory_position, "the directory's CRC does not match");
  }
  return {};
}

bool IndexRun::check_page(std::uint64_t page) const {
  std::atomic<std::uint64_t>& word = checked_[page / 64];
  const std::uint64_t bit = std::uint64_t{1} << page % 64;
  if ((word.load(std::memory_order_relaxed) & bit) != 0) return true;
  const std::byte* p = data_ + page * RunLayout::kBlockBytes;
  if (base::crc32c(0, {p, 4092}) != base::load_le<std::uint32_t>(p + 4092)) return false;
  word.fetch_or(bit, std::memory_order_relaxed);
  return true;
}

std::size_t IndexRun::block_entries(std::uint64_t block) const {
  return block + 1 < layout_.blocks ? RunLayout::kBlockEntries : layout_.entries - block * RunLayout::kBlockEntries;
}

Result<const std::byte*> IndexRun::block(std::uint64_t number) const {
  if (!check_page(number)) return damaged(number * RunLayout::kBlockBytes, "the block's CRC does not match");
  return data_ + number * RunLayout::kBlockBytes;
}

void IndexRun::prefetch(std::uint64_t hash) const {
  __builtin_prefetch(data_ + line_position(layout_, filter_line_of(hash, layout_.lines)));
}

Result<bool> IndexRun::may_contain(std::uint64_t hash) const {
  const std::uint64_t line = filter_line_of(hash, layout_.lines);
  const std::uint64_t page = line / RunLayout::kPageLines;
  if (!check_page(layout_.blocks + page)) {
    return damaged(layout_.filter_position + page * RunLayout::kBlockBytes, "the filter page's CRC does not match");
  }
  return filter_has(data_ + line_position(layout_, line), hash);
}

std::uint64_t IndexRun::first_hash(std::uint64_t block) const {
  return base::load_le<std::uint64_t>(data_ + layout_.directory_position + 8 * block);
}

// Where a block of a hash lies cannot be told from the hash alone: a type has a quarter of all entries under one hash. The fences can tell,
// in memory that is always at hand.
void IndexRun::make_fences() {
  constexpr std::uint64_t kBlocksEach = 16;
  constexpr unsigned kBitsMax = 16;
  fence_bits_ = std::min(static_cast<unsigned>(std::bit_width(layout_.blocks / kBlocksEach)), kBitsMax);
  fences_.assign((std::size_t{1} << fence_bits_) + 1, layout_.blocks);
  if (fence_bits_ == 0) {
    fences_[0] = 0;
    return;
  }
  std::size_t next = 0;
  for (std::uint64_t block = 0; block < layout_.blocks; ++block) {
    while (next <= first_hash(block) >> (64 - fence_bits_)) fences_[next++] = block;
  }
}

IndexRun::BlockRange IndexRun::between_fences(std::uint64_t hash) const {
  const std::uint64_t range = fence_bits_ == 0 ? 0 : hash >> (64 - fence_bits_);
  return {fences_[range], fences_[range + 1]};
}

std::uint64_t IndexRun::first_block_from(std::uint64_t hash) const {
  const BlockRange range = between_fences(hash);
  std::uint64_t from = range.from;
  std::uint64_t count = range.to - from;
  while (count > 0) {  // without a branch that could be guessed wrong
    const std::uint64_t half = count / 2;
    const bool is_below = first_hash(from + half) < hash;
    from = is_below ? from + half + 1 : from;
    count = is_below ? count - half - 1 : half;
  }
  return from;
}

std::uint64_t IndexRun::first_block_after(std::uint64_t hash, std::uint64_t from) const {
  return gallop(from, layout_.blocks, [&](std::uint64_t block) { return first_hash(block) > hash; });
}

// Within a block hashes are spread evenly, or nearly all are the same.
std::size_t IndexRun::likely_place(std::uint64_t block, std::uint64_t hash) const {
  const std::size_t entries = block_entries(block);
  const std::uint64_t first = first_hash(block);
  const std::uint64_t next = block + 1 < layout_.blocks ? first_hash(block + 1) : UINT64_MAX;
  if (hash <= first || next <= first) return 0;
  if (hash >= next) return entries;
  return static_cast<std::size_t>(static_cast<unsigned __int128>(hash - first) * entries / (next - first));
}

void IndexRun::prefetch_directory(std::uint64_t hash) const {
  const BlockRange range = between_fences(hash);
  const std::byte* const from = data_ + layout_.directory_position + 8 * range.from;
  const std::size_t bytes = 8 * std::min<std::uint64_t>(range.to - range.from + 1, 4 * kFetchedEntries);
  for (std::size_t at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(from + at);
}

void IndexRun::prefetch_block(std::uint64_t hash) const {
  const std::uint64_t past = first_block_from(hash);
  if (past == 0) return;
  const std::size_t place = likely_place(past - 1, hash);
  const std::size_t first = place > kFetchedEntries ? place - kFetchedEntries : 0;
  const std::byte* const from = data_ + (past - 1) * RunLayout::kBlockBytes + first * IndexEntry::kBytes;
  for (std::size_t at = 0; at < 2 * kFetchedEntries * IndexEntry::kBytes; at += kCacheLine) __builtin_prefetch(from + at);
}

Result<std::uint64_t> IndexRun::lower_bound(std::uint64_t hash, std::int64_t offset) const {
  const auto is_below = [&](const std::byte* p) {
    const IndexEntry entry = IndexEntry::load(p);
    return entry.hash < hash || (entry.hash == hash && entry.offset() < offset);
  };
  // Blocks [low, high) begin with this hash: a key with many entries. The block before may end with it.
  std::uint64_t low = first_block_from(hash);
  std::uint64_t high = first_block_after(hash, low);
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    BATON_TRY_ASSIGN(const std::byte* const p, block(middle));
    if (is_below(p)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  BATON_TRY_ASSIGN(const std::byte* const p, block(low - 1));
  const auto entry_is_below = [&](std::size_t number) { return is_below(p + number * IndexEntry::kBytes); };
  std::size_t from = 0;
  std::size_t count = block_entries(low - 1);
  const std::size_t place = likely_place(low - 1, hash);
  const std::size_t near = place > kFetchedEntries ? place - kFetchedEntries : 0;
  const std::size_t far = std::min(place + kFetchedEntries, count);
  if ((near == 0 || entry_is_below(near - 1)) && (far == count || !entry_is_below(far))) {
    from = near;
    count = far - near;
  }
  while (count > 0) {
    const std::size_t half = count / 2;
    const bool below = entry_is_below(from + half);
    from = below ? from + half + 1 : from;
    count = below ? count - half - 1 : half;
  }
  return (low - 1) * RunLayout::kBlockEntries + from;
}

Result<IndexEntry> IndexRun::at(std::uint64_t number) const {
  BATON_TRY_ASSIGN(const std::byte* const p, block(number / RunLayout::kBlockEntries));
  return IndexEntry::load(p + number % RunLayout::kBlockEntries * IndexEntry::kBytes);
}

void IndexRun::verify(const std::function<void(const IndexEntry&)>& visit,
                      const std::function<void(std::uint64_t, std::string)>& found) const {
  if (auto footer = check_footer(); !footer) found(layout_.footer_position, footer.error().detail);
  std::vector<bool> page_is_good(layout_.filter_pages);
  for (std::uint64_t page = 0; page < layout_.filter_pages; ++page) {
    const std::byte* p = data_ + layout_.filter_position + page * RunLayout::kBlockBytes;
    page_is_good[page] = base::crc32c(0, {p, 4092}) == base::load_le<std::uint32_t>(p + 4092);
    if (!page_is_good[page]) {
      found(layout_.filter_position + page * RunLayout::kBlockBytes, "the filter page's CRC does not match");
    }
  }
  std::optional<IndexEntry> previous;
  for (std::uint64_t b = 0; b < layout_.blocks; ++b) {
    const std::uint64_t position = b * RunLayout::kBlockBytes;
    const std::byte* p = data_ + position;
    if (base::crc32c(0, {p, 4092}) != base::load_le<std::uint32_t>(p + 4092)) {
      found(position, "the block's CRC does not match");
      continue;
    }
    if (base::load_le<std::uint32_t>(p + 4080) != block_entries(b)) found(position + 4080, "the block's count is wrong");
    if (IndexEntry::load(p).hash != first_hash(b)) {
      found(layout_.directory_position + 8 * b, "the directory's hash is not the one that the block begins with");
    }
    for (std::size_t i = 0; i < block_entries(b); ++i) {
      const std::uint64_t at = position + i * IndexEntry::kBytes;
      const IndexEntry entry = IndexEntry::load(p + i * IndexEntry::kBytes);
      if (previous && entry < *previous) found(at, "the entry is below the one before it");
      if (entry.offset() < info_.first || entry.offset() >= info_.end) found(at, "the entry's offset is not of this run");
      const std::uint64_t line = filter_line_of(entry.hash, layout_.lines);
      if (page_is_good[line / RunLayout::kPageLines] && !filter_has(data_ + line_position(layout_, line), entry.hash)) {
        found(at, "the filter does not know the entry");
      }
      previous = entry;
      if (visit) visit(entry);
    }
  }
}

}  // namespace baton::store
