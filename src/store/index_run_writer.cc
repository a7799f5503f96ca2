#include <algorithm>
#include <charconv>

#include "base/crc32c.h"
#include "base/try.h"
#include "store/index_run.h"

namespace baton::store {
namespace {
constexpr std::size_t kBufferBytes = 64u << 10;
// So much is synced at a time, so that a big run does not hold up the log's own syncs at its end.
constexpr std::uint64_t kSyncBytes = 8u << 20;
constexpr std::string_view kPrefix = "run-";
constexpr std::string_view kSuffix = ".idx";
}  // namespace

std::string run_file_name(std::uint64_t number) {
  return std::string(kPrefix) + std::to_string(number) + std::string(kSuffix);
}

std::optional<std::uint64_t> parse_run_file_name(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() <= kPrefix.size() + kSuffix.size()) return {};
  name = name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return {};
  return number;
}

RunLayout::RunLayout(std::uint64_t entries_)
    : entries(entries_),
      blocks((entries + kBlockEntries - 1) / kBlockEntries),
      lines(entries * 10 / (kLineBytes * 8) + 1),
      filter_pages((lines + kPageLines - 1) / kPageLines),
      filter_position(blocks * kBlockBytes),
      filter_bytes(filter_pages * kBlockBytes),
      directory_position(filter_position + filter_bytes),
      directory_bytes(blocks * 8),
      footer_position(directory_position + directory_bytes),
      file_bytes(footer_position + kFooterBytes) {}

Result<std::unique_ptr<RunWriter>> RunWriter::create(os::FileSystem& fs, const std::string& directory,
                                                     const RunInfo& info) {
  BATON_CHECK(info.entries > 0 && info.entries < RunLayout::kEntriesLimit, "a run has at least one entry");
  const std::string path = os::join(directory, run_file_name(info.number));
  BATON_TRY_ASSIGN(auto file, fs.open(path, {.write = true, .create = true, .truncate = true}));
  if (auto allocated = file->allocate(0, RunLayout(info.entries).file_bytes); !allocated) {
    file.reset();
    (void)fs.remove(path);
    return allocated.error();
  }
  return std::unique_ptr<RunWriter>(new RunWriter(std::move(file), info));
}

RunWriter::RunWriter(std::unique_ptr<os::File> file, const RunInfo& info)
    : file_(std::move(file)), info_(info), layout_(info.entries) {
  blocks_.position = 0;
  filter_.position = layout_.filter_position;
  directory_.position = layout_.directory_position;
  for (Region* region : {&blocks_, &filter_, &directory_}) region->buffer.reserve(kBufferBytes);
}

RunWriter::~RunWriter() = default;

void RunWriter::add(const IndexEntry& entry) {
  if (block_entries_ == 0) {
    std::byte* to = extend(directory_, 8);
    base::store_le<std::uint64_t>(to, entry.hash);
    directory_crc_ = base::crc32c(directory_crc_, {to, 8});
  }
  entry.save(block_.data() + block_entries_ * IndexEntry::kBytes);
  ++written_;
  if (++block_entries_ == RunLayout::kBlockEntries) finish_block();
  if (entry.hash == last_hash_ && written_ > 1) return;
  last_hash_ = entry.hash;
  // Lines follow one another as hashes do, so that the filter needs no memory but its current line.
  const std::uint64_t line = filter_line_of(entry.hash, layout_.lines);
  while (line_number_ < line) finish_line();
  std::uint64_t bits = filter_bits_of(entry.hash);
  for (std::uint64_t& word : line_) {
    word |= std::uint64_t{1} << (bits & 63);
    bits >>= 6;
  }
}

void RunWriter::finish_block() {
  std::memset(block_.data() + block_entries_ * IndexEntry::kBytes, 0,
              (RunLayout::kBlockEntries - block_entries_) * IndexEntry::kBytes);
  base::store_le<std::uint32_t>(block_.data() + 4080, static_cast<std::uint32_t>(block_entries_));
  base::store_le<std::uint64_t>(block_.data() + 4084, 0);
  base::store_le<std::uint32_t>(block_.data() + 4092, base::crc32c(0, base::ByteView(block_).first(4092)));
  std::memcpy(extend(blocks_, block_.size()), block_.data(), block_.size());
  block_entries_ = 0;
}

void RunWriter::finish_line() {
  std::byte* to = page_.data() + line_number_ % RunLayout::kPageLines * RunLayout::kLineBytes;
  for (std::size_t i = 0; i < line_.size(); ++i) base::store_le<std::uint64_t>(to + 8 * i, line_[i]);
  line_ = {};
  if (++line_number_ % RunLayout::kPageLines == 0) finish_page();
}

void RunWriter::finish_page() {
  base::store_le<std::uint32_t>(page_.data() + 4092, base::crc32c(0, base::ByteView(page_).first(4092)));
  std::memcpy(extend(filter_, page_.size()), page_.data(), page_.size());
  page_ = {};
}

std::byte* RunWriter::extend(Region& region, std::size_t bytes) {
  if (region.buffer.size() + bytes > kBufferBytes) flush(region);
  region.buffer.resize(region.buffer.size() + bytes);
  return region.buffer.data() + region.buffer.size() - bytes;
}

void RunWriter::flush(Region& region) {
  if (status_) status_ = file_->write_at(region.position, region.buffer);
  region.position += region.buffer.size();
  unsynced_bytes_ += region.buffer.size();
  region.buffer.clear();
  if (status_ && unsynced_bytes_ >= kSyncBytes) {
    unsynced_bytes_ = 0;
    status_ = file_->sync_data();
  }
}

Result<RunInfo> RunWriter::finish(bool sync) {
  BATON_CHECK(written_ == layout_.entries, "a run was given another number of entries than announced");
  if (block_entries_ > 0) finish_block();
  while (line_number_ < layout_.lines) finish_line();
  if (line_number_ % RunLayout::kPageLines != 0) finish_page();

  std::byte* footer = extend(directory_, RunLayout::kFooterBytes);
  std::memset(footer, 0, RunLayout::kFooterBytes);
  std::memcpy(footer, "BTNIDX01", 8);
  std::size_t at = 8;
  for (const std::uint64_t field :
       {layout_.entries, layout_.blocks, layout_.filter_position, layout_.filter_bytes, layout_.directory_position,
        layout_.directory_bytes, static_cast<std::uint64_t>(info_.first), static_cast<std::uint64_t>(info_.end)}) {
    base::store_le<std::uint64_t>(footer + at, field);
    at += 8;
  }
  base::store_le<std::uint32_t>(footer + at, directory_crc_);
  info_.footer_crc = base::crc32c(0, {footer, 252});
  base::store_le<std::uint32_t>(footer + 252, info_.footer_crc);

  for (Region* region : {&blocks_, &filter_, &directory_}) flush(*region);
  BATON_CHECK(blocks_.position == layout_.filter_position && filter_.position == layout_.directory_position &&
                  directory_.position == layout_.file_bytes,
              "a run's regions do not meet");
  if (status_ && sync) status_ = file_->sync_data();
  if (!status_) return status_.error();
  return info_;
}

}  // namespace baton::store
