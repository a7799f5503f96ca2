#include "log/journal.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/try.h"

namespace baton::log {
namespace {

constexpr std::uint64_t kFirstBytes = 1u << 20;
constexpr std::uint64_t kStepBytesMin = 64u << 10;
constexpr std::uint64_t kStepBytesMax = 1u << 20;
constexpr std::size_t kZerosBytes = 256u << 10;

std::string spare_path(const std::string& directory) { return os::join(journal_directory(directory), "spare"); }

// Makes a file longer by space that was written: into space that is only allocated, each sync would have to write down as well which of it is in
// use now, which costs as much as the sync itself. no_space: nothing has changed.
Status extend(os::File& file, std::uint64_t from, std::uint64_t bytes) {
  static constexpr std::array<std::byte, kZerosBytes> kZeros{};
  BATON_TRY(file.allocate(from, bytes));
  for (std::uint64_t done = 0; done < bytes;) {
    const std::size_t some = std::min<std::uint64_t>(kZeros.size(), bytes - done);
    BATON_TRY(file.write_at(from + done, base::ByteView(kZeros).first(some)));
    done += some;
  }
  return {};
}

// Puts a base record behind the header in `out`, and returns the CRC of it.
void encode_base_record(RecordFixed fixed, std::span<const Extent> extents, base::Bytes& out) {
  std::size_t total = kRecordFixedBytes + extents.size() * kPartBytes;
  for (const auto& extent : extents) total += extent.lead.size();
  out.assign(kJournalHeaderBytes + record_file_bytes(total), std::byte{0});
  const base::MutableByteView record(out.data() + kJournalHeaderBytes, total);
  std::byte* part_at = record.data() + kRecordFixedBytes;
  std::byte* lead_at = part_at + extents.size() * kPartBytes;
  for (const auto& extent : extents) {
    encode_part({.key = extent.key,
                 .flags = JournalPart::kExtent,
                 .segment_base = extent.segment_base,
                 .position = extent.position,
                 .next_offset = extent.next_offset,
                 .edge_bytes = static_cast<std::uint16_t>(extent.lead.size())},
                part_at);
    part_at += kPartBytes;
    if (!extent.lead.empty()) std::memcpy(lead_at, extent.lead.data(), extent.lead.size());
    lead_at += extent.lead.size();
  }
  fixed.part_count = static_cast<std::uint32_t>(extents.size());
  (void)finish_record(fixed, record);
}

}  // namespace

Status check_space(os::FileSystem& fs, const std::string& path, std::uint64_t reserve_bytes, std::uint64_t bytes) {
  if (reserve_bytes == 0) return {};
  BATON_TRY_ASSIGN(const auto space, fs.space(path));
  if (space.available_bytes >= reserve_bytes && space.available_bytes - reserve_bytes >= bytes) return {};
  return Error{Code::no_space, "the disk of " + path + " has " + std::to_string(space.available_bytes) + " bytes left; " +
                                   std::to_string(reserve_bytes) + " are kept in reserve, and " + std::to_string(bytes) +
                                   " more are needed: make room, and appends go on"};
}

Journal::Journal(os::Env& env, std::string directory, const StoreId& store_id, std::uint64_t journal_bytes,
                 std::uint64_t reserve_bytes)
    : env_(env),
      directory_(std::move(directory)),
      store_id_(store_id),
      journal_bytes_(journal_bytes),
      reserve_bytes_(reserve_bytes) {}

Result<Journal::Opened> Journal::make_file(std::uint64_t generation, std::uint64_t bytes) {
  auto& fs = env_.fs();
  const std::string path = journal_path(directory_, generation);
  const std::lock_guard names(names_mutex_);
  BATON_TRY_ASSIGN(const bool spare, fs.exists(spare_path(directory_)));
  if (spare) BATON_TRY(fs.rename(spare_path(directory_), path));
  BATON_TRY_ASSIGN(std::shared_ptr<os::File> file, fs.open(path, {.write = true, .create = true, .truncate = !spare}));
  BATON_TRY_ASSIGN(std::uint64_t allocated, file->size());
  const std::uint64_t wanted = std::max(bytes, spare ? allocated : std::min(kFirstBytes, journal_bytes_));
  if (allocated < wanted) {
    std::uint64_t target = wanted;
    auto status = check_space(fs, journal_directory(directory_), reserve_bytes_, target - allocated);
    if (status) status = extend(*file, allocated, target - allocated);
    if (!status && status.error().code == Code::no_space) {  // the least that it needs, which is what the reserve is for
      target = std::max(bytes, allocated);
      status = target == allocated ? Status() : extend(*file, allocated, target - allocated);
    }
    if (!status) {
      file.reset();
      BATON_TRY(fs.remove(path));
      return status.error();
    }
    allocated = target;
  }
  return Opened{std::move(file), allocated};
}

Status Journal::begin(std::uint64_t generation, Round first_round, RecordFixed base, std::span<const Extent> extents) {
  std::array<std::byte, 4> salt_bytes{};
  env_.random().fill(salt_bytes);
  const auto salt = base::load_le<std::uint32_t>(salt_bytes.data());
  base.generation = generation;
  base.salt = salt;
  encode_base_record(base, extents, base_record_);
  encode_journal_header({.generation = generation, .store_id = store_id_, .first_round = first_round, .salt = salt},
                        base::MutableByteView(base_record_).first(kJournalHeaderBytes));
  std::uint64_t room = 0;
  {
    const std::lock_guard guard(mutex_);
    room = base_record_.size() + reserved_ + kSectorBytes;
  }
  BATON_TRY_ASSIGN(auto opened, make_file(generation, room + kStepBytesMin));
  BATON_TRY(opened.file->write_at(0, base_record_));
  BATON_TRY(opened.file->sync_data());
  BATON_TRY(env_.fs().sync_directory(journal_directory(directory_)));
  const std::lock_guard guard(mutex_);
  if (base_record_.size() + reserved_ > opened.allocated) {
    // More was staged meanwhile than there was room for.
    BATON_TRY(extend(*opened.file, opened.allocated, base_record_.size() + reserved_ - opened.allocated));
    opened.allocated = base_record_.size() + reserved_;
  }
  file_ = std::move(opened.file);
  generation_ = generation;
  trusted_from_ = std::min(trusted_from_, generation);
  salt_ = salt;
  first_position_ = position_ = base_record_.size();
  allocated_ = opened.allocated;
  previous_crc_ = base.previous_crc;
  return {};
}

Status Journal::resume(const JournalHeader& header, std::uint64_t position, std::uint32_t previous_crc) {
  BATON_TRY_ASSIGN(std::shared_ptr<os::File> file, env_.fs().open(journal_path(directory_, header.generation), {.write = true}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  const std::lock_guard guard(mutex_);
  file_ = std::move(file);
  generation_ = header.generation;
  trusted_from_ = std::min(trusted_from_, generation_);
  salt_ = header.salt;
  first_position_ = position_ = position;
  allocated_ = size;
  previous_crc_ = previous_crc;
  return {};
}

Status Journal::reserve(std::uint64_t bytes, std::uint64_t kept_free) {
  const std::lock_guard guard(mutex_);
  const std::uint64_t wanted = position_ + reserved_ + bytes;
  if (wanted > allocated_) {
    const std::uint64_t least = wanted - allocated_;
    std::uint64_t step = std::max(least, std::clamp(journal_bytes_ / 8, kStepBytesMin, kStepBytesMax));
    if (!check_space(env_.fs(), journal_directory(directory_), kept_free, step)) {  // the reserve is not for what would only be convenient
      BATON_TRY(check_space(env_.fs(), journal_directory(directory_), kept_free, least));
      step = least;
    }
    std::uint64_t got = step;
    auto status = extend(*file_, allocated_, step);
    if (!status && status.error().code == Code::no_space && least < step) {
      got = least;
      status = extend(*file_, allocated_, least);
    }
    if (!status) return status;
    allocated_ += got;
  }
  reserved_ += bytes;
  return {};
}

void Journal::unreserve(std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  reserved_ -= bytes;
}

Status Journal::append(RecordFixed fixed, base::MutableByteView record, std::uint64_t total, std::uint64_t reserved) {
  std::shared_ptr<os::File> file;
  std::uint64_t position = 0;
  {
    const std::lock_guard guard(mutex_);
    file = file_;
    position = position_;
    fixed.generation = generation_;
    fixed.salt = salt_;
  }
  fixed.previous_crc = previous_crc_;
  const std::uint64_t padded = record_file_bytes(total);
  BATON_CHECK(padded <= record.size() && padded <= reserved, "a journal record is larger than what was reserved for it");
  std::fill(record.begin() + static_cast<std::ptrdiff_t>(total), record.begin() + static_cast<std::ptrdiff_t>(padded), std::byte{0});
  previous_crc_ = finish_record(fixed, record.first(total));
  BATON_TRY(file->write_at(position, record.first(padded)));
  const std::lock_guard guard(mutex_);
  position_ += padded;
  reserved_ -= reserved;
  last_bytes_ = padded;
  return {};
}

void Journal::start_sync() {
  std::shared_ptr<os::File> file;
  std::uint64_t begin = 0, bytes = 0;
  {
    const std::lock_guard guard(mutex_);
    file = file_;
    bytes = last_bytes_;
    begin = position_ - bytes;
  }
  file->start_write_back(begin, bytes);
}

Status Journal::sync() { return file()->sync_data(); }

Status Journal::free_before(std::uint64_t generation) {
  auto& fs = env_.fs();
  const std::lock_guard names(names_mutex_);
  std::uint64_t trusted_from = 0;
  {
    const std::lock_guard guard(mutex_);
    trusted_from = trusted_from_;
  }
  BATON_TRY_ASSIGN(const auto entries, fs.list(journal_directory(directory_)));
  bool spare = std::ranges::any_of(entries, [](const auto& entry) { return entry.name == "spare"; });
  for (const auto& entry : entries) {
    const auto number = parse_decimal_name(entry.name);
    if (!number || *number >= generation) continue;
    const std::string path = journal_path(directory_, *number);
    BATON_TRY_ASSIGN(const auto file, fs.open(path, {}));
    BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
    // A process before this one may have died of a failed sync, which may have lost the size of its files: what is written into such a
    // file again would not bring it back.
    if (!spare && *number >= trusted_from && size <= journal_bytes_ * 2) {
      BATON_TRY(fs.rename(path, spare_path(directory_)));
      spare = true;
    } else {
      BATON_TRY(fs.remove(path));
    }
    // One by one, oldest first: what a crash leaves is always a run of generations without a hole.
    BATON_TRY(fs.sync_directory(journal_directory(directory_)));
  }
  return {};
}

std::uint64_t Journal::generation() const {
  const std::lock_guard guard(mutex_);
  return generation_;
}

bool Journal::full() const {
  const std::lock_guard guard(mutex_);
  return position_ >= journal_bytes_;
}

std::uint64_t Journal::position() const {
  const std::lock_guard guard(mutex_);
  return position_;
}

bool Journal::empty() const {
  const std::lock_guard guard(mutex_);
  return position_ == first_position_;
}

std::shared_ptr<os::File> Journal::file() const {
  const std::lock_guard guard(mutex_);
  return file_;
}

}  // namespace baton::log
