#include "store/index_manifest.h"

#include "base/crc32c.h"
#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::string_view kMagic = "BTNIDXMF";
constexpr std::uint32_t kVersion = 2;  // 1: system records had another hash
constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kRunBytes = 40;

Error damaged(std::string_view what) {
  return {Code::corrupt, "index manifest: " + std::string(what) + "; the index will be rebuilt from the log"};
}

// Each covers offsets that the one before does not, and all are below what is covered.
Status check_runs(const IndexManifest& manifest) {
  std::int64_t end = 0;
  for (const RunInfo& run : manifest.runs) {
    if (run.first < end || run.end <= run.first || run.end > manifest.covered.next.value()) {
      return damaged("the offset ranges of its runs overlap or pass what is covered");
    }
    if (run.entries == 0 || run.entries >= RunLayout::kEntriesLimit || run.number >= manifest.next_number) {
      return damaged("a run has no entries, too many, or a number that was not given out");
    }
    end = run.end;
  }
  return {};
}

}  // namespace

base::Bytes IndexManifest::encode() const {
  base::Bytes out;
  out.reserve(kHeaderBytes + runs.size() * kRunBytes + 4);
  base::put_bytes(out, base::as_bytes(kMagic));
  base::put_le<std::uint32_t>(out, kVersion);
  base::put_le<std::uint32_t>(out, static_cast<std::uint32_t>(runs.size()));
  base::put_le<std::int64_t>(out, covered.next.value());
  base::put_le<std::int32_t>(out, covered.epoch.value());
  base::put_le<std::uint32_t>(out, covered.batch_crc);
  base::put_le<std::uint64_t>(out, next_number);
  base::put_le<std::int64_t>(out, covered.streams);
  for (const RunInfo& run : runs) {
    base::put_le<std::uint64_t>(out, run.number);
    base::put_le<std::uint64_t>(out, run.entries);
    base::put_le<std::int64_t>(out, run.first);
    base::put_le<std::int64_t>(out, run.end);
    base::put_le<std::uint32_t>(out, run.footer_crc);
    base::put_le<std::uint32_t>(out, 0);
  }
  base::put_le<std::uint32_t>(out, base::crc32c(0, out));
  return out;
}

Result<IndexManifest> IndexManifest::decode(base::ByteView bytes) {
  if (bytes.size() < kHeaderBytes + 4 || base::as_text(bytes.first(8)) != kMagic) return damaged("it does not begin as one");
  const std::byte* p = bytes.data();
  if (base::crc32c(0, bytes.first(bytes.size() - 4)) != base::load_le<std::uint32_t>(p + bytes.size() - 4)) {
    return damaged("its CRC does not match");
  }
  if (const auto version = base::load_le<std::uint32_t>(p + 8); version != kVersion) {
    return Error{Code::unsupported_format, "index manifest: format " + std::to_string(version) + " is not known"};
  }
  const std::size_t count = base::load_le<std::uint32_t>(p + 12);
  if (count > kRunsLimit || bytes.size() != kHeaderBytes + count * kRunBytes + 4) {
    return damaged("its size does not fit the number of its runs");
  }
  IndexManifest manifest;
  manifest.covered.next = log::Offset(base::load_le<std::int64_t>(p + 16));
  manifest.covered.epoch = log::Epoch(base::load_le<std::int32_t>(p + 24));
  manifest.covered.batch_crc = base::load_le<std::uint32_t>(p + 28);
  manifest.next_number = base::load_le<std::uint64_t>(p + 32);
  manifest.covered.streams = base::load_le<std::int64_t>(p + 40);
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* r = p + kHeaderBytes + i * kRunBytes;
    manifest.runs.push_back({.number = base::load_le<std::uint64_t>(r),
                             .entries = base::load_le<std::uint64_t>(r + 8),
                             .first = base::load_le<std::int64_t>(r + 16),
                             .end = base::load_le<std::int64_t>(r + 24),
                             .footer_crc = base::load_le<std::uint32_t>(r + 32)});
  }
  BATON_TRY(check_runs(manifest));
  return manifest;
}

Result<IndexManifest> IndexManifest::read(os::FileSystem& fs, const std::string& directory) {
  BATON_TRY_ASSIGN(const base::Bytes bytes, os::read_file(fs, os::join(directory, kName),
                                                          kHeaderBytes + kRunsLimit * kRunBytes + 4));
  return decode(bytes);
}

Status IndexManifest::write(os::FileSystem& fs, const std::string& directory) const {
  BATON_TRY(write_unnamed(fs, directory, true));
  BATON_TRY(name(fs, directory));
  return fs.sync_directory(directory);
}

Status IndexManifest::write_unnamed(os::FileSystem& fs, const std::string& directory, bool sync) const {
  BATON_CHECK(runs.size() <= kRunsLimit && check_runs(*this), "an index manifest that could not be read again");
  BATON_TRY_ASSIGN(const auto file, fs.open(os::join(directory, kUnnamed), {.write = true, .create = true, .truncate = true}));
  BATON_TRY(file->write_at(0, encode()));
  return sync ? file->sync_data() : Status();
}

Status IndexManifest::name(os::FileSystem& fs, const std::string& directory) {
  return fs.rename(os::join(directory, kUnnamed), os::join(directory, kName));
}

}  // namespace baton::store
