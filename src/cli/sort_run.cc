#include "cli/sort_run.h"

#include <array>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/try.h"

namespace baton::cli {

namespace {

constexpr std::size_t kBlockHeaderBytes = 12;
constexpr std::size_t kRecordHeaderBytes = 20;
constexpr std::size_t kBlockBytesMax = 64u << 20;  // what a reader believes
constexpr int kLevel = 1;

}  // namespace

Result<std::unique_ptr<RunWriter>> RunWriter::create(os::FileSystem& fs, const std::string& path, std::size_t block_bytes) {
  std::unique_ptr<RunWriter> out(new RunWriter);
  BATON_TRY_ASSIGN(out->file_, fs.open(path, {.write = true, .create = true, .truncate = true}));
  out->block_bytes_ = block_bytes;
  return out;
}

Status RunWriter::add(SortKey key, std::string_view payload) {
  std::array<char, kRecordHeaderBytes> header;
  base::store_le<std::uint32_t>(header.data(), static_cast<std::uint32_t>(payload.size()));
  base::store_le<std::int64_t>(header.data() + 4, key.time);
  base::store_le<std::uint64_t>(header.data() + 12, key.place);
  block_.append(header.data(), header.size());
  block_ += payload;
  if (block_.size() >= block_bytes_) return flush();
  return {};
}

Status RunWriter::finish() { return block_.empty() ? Status() : flush(); }

Status RunWriter::flush() {
  packed_.resize(kBlockHeaderBytes + ZSTD_compressBound(block_.size()));
  const auto size = ZSTD_compressCCtx(zstd_, packed_.data() + kBlockHeaderBytes, packed_.size() - kBlockHeaderBytes, block_.data(), block_.size(), kLevel);
  if (ZSTD_isError(size)) return Error{Code::internal, std::string("zstd: ") + ZSTD_getErrorName(size)};
  packed_.resize(kBlockHeaderBytes + size);
  base::store_le<std::uint32_t>(packed_.data(), static_cast<std::uint32_t>(size));
  base::store_le<std::uint32_t>(packed_.data() + 4, static_cast<std::uint32_t>(block_.size()));
  base::store_le<std::uint32_t>(packed_.data() + 8, base::crc32c(0, base::ByteView(packed_).subspan(kBlockHeaderBytes)));
  BATON_TRY(file_->write_at(offset_, packed_));
  offset_ += packed_.size();
  block_.clear();
  return {};
}

Result<std::unique_ptr<RunReader>> RunReader::open(os::FileSystem& fs, const std::string& path, RunDecoder& decoder) {
  std::unique_ptr<RunReader> out(new RunReader(path, decoder));
  BATON_TRY_ASSIGN(out->file_, fs.open(path, {}));
  return out;
}

Error RunReader::damaged() const {
  return {Code::corrupt, path_ + ": a temporary file of the import is damaged near byte " + std::to_string(offset_) + "; run the import again"};
}

Result<bool> RunReader::read_block() {
  std::array<std::byte, kBlockHeaderBytes> header;
  BATON_TRY_ASSIGN(const auto got, file_->read_at(offset_, header));
  if (got == 0) return false;
  if (got < header.size()) return damaged();
  const auto packed_size = base::load_le<std::uint32_t>(header.data());
  const auto size = base::load_le<std::uint32_t>(header.data() + 4);
  if (packed_size > kBlockBytesMax || size > kBlockBytesMax) return damaged();
  auto& packed = decoder_.packed;
  packed.resize(packed_size);
  BATON_TRY_ASSIGN(const auto read, file_->read_at(offset_ + kBlockHeaderBytes, packed));
  if (read < packed_size || base::crc32c(0, packed) != base::load_le<std::uint32_t>(header.data() + 8)) return damaged();
  block_.resize(size);
  if (ZSTD_decompressDCtx(decoder_.zstd, block_.data(), size, packed.data(), packed_size) != size) return damaged();
  offset_ += kBlockHeaderBytes + packed_size;
  at_ = 0;
  return true;
}

Result<bool> RunReader::next() {
  if (at_ == block_.size()) {
    BATON_TRY_ASSIGN(const bool more, read_block());
    if (!more) return false;
  }
  if (block_.size() - at_ < kRecordHeaderBytes) return damaged();
  const char* header = block_.data() + at_;
  const auto size = base::load_le<std::uint32_t>(header);
  key_ = {base::load_le<std::int64_t>(header + 4), base::load_le<std::uint64_t>(header + 12)};
  at_ += kRecordHeaderBytes;
  if (size > block_.size() - at_) return damaged();
  payload_ = std::string_view(block_).substr(at_, size);
  at_ += size;
  return true;
}

}  // namespace baton::cli
