#include "store/index_manifest.h"

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::string_view kMagic = "BTNIDXMF";
constexpr std::uint32_t kVersion = 3;  // 1: system records had another hash; 2: one record a file, without a chain
constexpr std::size_t kHeaderBytes = 56;
constexpr std::size_t kRunBytes = 40;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kSectorBytes = 512;

constexpr std::size_t record_bytes(std::size_t runs) { return kHeaderBytes + runs * kRunBytes + kCrcBytes; }
constexpr std::size_t in_sectors(std::size_t bytes) { return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes; }
constexpr std::size_t kFileBytesMax = std::max(record_bytes(IndexManifest::kRunsLimit), IndexManifestFile::kLong);

Error damaged(std::string_view what) {
  return {Code::corrupt, "index manifest: " + std::string(what) + "; the index will be rebuilt from the log"};
}

// Each covers offsets that the one before does not, and all are below what is covered.
Status check_runs(const IndexManifest& manifest) {
  constexpr std::uint64_t kRunNumberMax = std::uint64_t{1} << 62;  // far more than are ever given out
  if (manifest.next_number > kRunNumberMax) return damaged("the number of the next run cannot be one");
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

std::uint32_t IndexManifest::crc(base::ByteView record) { return base::load_le<std::uint32_t>(record.data() + record.size() - kCrcBytes); }

base::Bytes IndexManifest::encode(std::uint32_t chain) const {
  base::Bytes out;
  out.reserve(record_bytes(runs.size()));
  base::put_bytes(out, base::as_bytes(kMagic));
  base::put_le<std::uint32_t>(out, kVersion);
  base::put_le<std::uint32_t>(out, static_cast<std::uint32_t>(runs.size()));
  base::put_le<std::int64_t>(out, covered.next.value());
  base::put_le<std::int32_t>(out, covered.epoch.value());
  base::put_le<std::uint32_t>(out, covered.batch_crc);
  base::put_le<std::uint64_t>(out, next_number);
  base::put_le<std::int64_t>(out, covered.streams);
  base::put_le<std::uint32_t>(out, chain);
  base::put_le<std::uint32_t>(out, 0);
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

namespace {

// The record at the beginning of `bytes`, and how long it is.
Result<std::pair<IndexManifest, std::size_t>> decode_record(base::ByteView bytes, std::uint32_t chain) {
  if (bytes.size() < record_bytes(0) || base::as_text(bytes.first(8)) != kMagic) return damaged("it does not begin as one");
  const std::byte* p = bytes.data();
  const std::size_t count = base::load_le<std::uint32_t>(p + 12);
  if (const auto version = base::load_le<std::uint32_t>(p + 8); version != kVersion) {
    return Error{Code::unsupported_format, "index manifest: format " + std::to_string(version) + " is not known; the index will be built again from the log"};
  }
  if (count > IndexManifest::kRunsLimit || bytes.size() < record_bytes(count)) return damaged("it is shorter than the number of its runs says");
  bytes = bytes.first(record_bytes(count));
  if (base::crc32c(0, bytes.first(bytes.size() - kCrcBytes)) != IndexManifest::crc(bytes)) return damaged("its CRC does not match");
  if (base::load_le<std::uint32_t>(p + 48) != chain) return damaged("it does not follow on the record before it");
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
  return std::pair(std::move(manifest), bytes.size());
}

struct Walk {
  IndexManifest last;
  std::size_t whole = 0;  // bytes
};

Result<Walk> walk(base::ByteView file) {
  BATON_TRY_ASSIGN(auto record, decode_record(file, 0));
  Walk out;
  bool zeros = true;  // between the records so far
  for (std::size_t at = 0;;) {
    const std::uint32_t chain = IndexManifest::crc(file.subspan(at, record.second));
    const std::size_t end = at + record.second;
    out.last = std::move(record.first);
    if (zeros) out.whole = end;
    at = std::min(in_sectors(end), file.size());
    auto next = decode_record(file.subspan(at), chain);
    if (!next) return out;
    zeros = zeros && std::ranges::all_of(file.subspan(end, at - end), [](std::byte byte) { return byte == std::byte{0}; });
    record = *std::move(next);
  }
}

}  // namespace

Result<IndexManifest> IndexManifest::decode(base::ByteView file) {
  BATON_TRY_ASSIGN(auto walked, walk(file));
  return std::move(walked.last);
}

std::size_t IndexManifest::whole_bytes(base::ByteView file) {
  const auto walked = walk(file);
  return walked ? walked->whole : 0;
}

Result<base::Bytes> IndexManifest::read_bytes(os::FileSystem& fs, const std::string& directory) {
  return os::read_state_file(fs, os::join(directory, IndexManifestFile::kName), kFileBytesMax);
}

Result<IndexManifest> IndexManifest::read(os::FileSystem& fs, const std::string& directory) {
  BATON_TRY_ASSIGN(const base::Bytes bytes, read_bytes(fs, directory));
  return decode(bytes);
}

bool IndexManifestFile::begins_anew(const IndexManifest& manifest) const { return !begun_ || end_ + record_bytes(manifest.runs.size()) > kLong; }

Status IndexManifestFile::prepare(const IndexManifest& manifest, bool sync) {
  BATON_CHECK(manifest.runs.size() <= IndexManifest::kRunsLimit && check_runs(manifest), "an index manifest that could not be read again");
  prepared_ = false;
  if (!begins_anew(manifest)) return {};
  BATON_TRY_ASSIGN(const auto file, fs_.open(os::join(directory_, kUnnamed), {.write = true, .create = true, .truncate = true}));
  BATON_TRY(file->write_at(0, manifest.encode()));
  if (sync) BATON_TRY(file->sync_data());
  prepared_ = true;
  return {};
}

Status IndexManifestFile::put(const IndexManifest& manifest) {
  const bool anew = begins_anew(manifest);
  BATON_CHECK(anew == prepared_, "a manifest is put as it was prepared");
  const base::Bytes record = manifest.encode(anew ? 0 : chain_);
  if (anew) {
    prepared_ = begun_ = false;
    BATON_TRY(fs_.rename(os::join(directory_, kUnnamed), os::join(directory_, kName)));
    begun_ = name_unsynced_ = true;
    end_ = 0;
  } else {
    const auto file = fs_.open(os::join(directory_, kName), {.write = true});
    if (!file && file.error().code == Code::not_found) {
      begun_ = false;
      BATON_TRY(prepare(manifest, true));
      return put(manifest);
    }
    if (!file) return file.error();
    data_unsynced_ = true;
    if (Status written = (*file)->write_at(end_, record); !written) {
      begun_ = false;  // half of it may stand there
      return written;
    }
  }
  end_ += in_sectors(record.size());
  chain_ = IndexManifest::crc(record);
  return {};
}

Status IndexManifestFile::sync() {
  if (data_unsynced_) {
    const auto file = fs_.open(os::join(directory_, kName), {.write = true});
    if (file) BATON_TRY((*file)->sync_data());
    if (!file && file.error().code != Code::not_found) return file.error();
  }
  if (name_unsynced_) BATON_TRY(fs_.sync_directory(directory_));
  data_unsynced_ = name_unsynced_ = false;
  return {};
}

Status IndexManifestFile::replace(const IndexManifest& manifest) {
  BATON_TRY(prepare(manifest, true));
  BATON_TRY(put(manifest));
  return sync();
}

}  // namespace baton::store

