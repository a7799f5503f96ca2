#include "log/live_marks.h"

#include <array>
#include <atomic>
#include <cstring>

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/try.h"

namespace baton::log {
namespace {

constexpr char kMagic[] = "BTNLIVE1";
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kSlotBytes = 128;
constexpr std::size_t kSlotsPerPage = kPageBytes / kSlotBytes;
constexpr std::size_t kFixedBytes = 128;  // of the header, written once
constexpr std::size_t kStateAt = 128;     // the slot in the header page that says what changes
constexpr int kTries = 1'000'000;

using SlotWords = std::array<std::uint64_t, kSlotBytes / 8>;

std::uint64_t check_of(const SlotWords& words) {
  return base::hash64(std::as_bytes(std::span(words)).subspan(8, kSlotBytes - 16));
}

std::atomic_ref<std::uint64_t> word(std::byte* slot, std::size_t i) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(slot + i * 8));
}

// The sequence lock: odd while the words change.
void write_slot(std::byte* slot, SlotWords words) {
  const std::uint64_t sequence = word(slot, 0).load(std::memory_order_relaxed);
  words.back() = check_of(words);
  word(slot, 0).store(sequence | 1, std::memory_order_relaxed);
  for (std::size_t i = 1; i < words.size(); ++i) word(slot, i).store(words[i], std::memory_order_release);
  word(slot, 0).store((sequence | 1) + 1, std::memory_order_release);
}

Result<SlotWords> read_slot(std::byte* slot) {
  SlotWords words;
  for (int i = 0; i < kTries; ++i) {
    words[0] = word(slot, 0).load(std::memory_order_acquire);
    for (std::size_t j = 1; j < words.size(); ++j) words[j] = word(slot, j).load(std::memory_order_acquire);
    const bool stable = words[0] % 2 == 0 && word(slot, 0).load(std::memory_order_relaxed) == words[0];
    if (stable && words.back() == check_of(words)) return words;
  }
  return Error{Code::unavailable, "live: the writer ended while it was changing the marks; open the store for writing once"};
}

SlotWords encode(const LiveSlot& slot) {
  SlotWords words{};
  std::memcpy(&words[1], slot.key.topic.bytes.data(), 16);
  words[3] = static_cast<std::uint32_t>(slot.key.partition.value()) |
             std::uint64_t{static_cast<std::uint32_t>(slot.epoch.value())} << 32;
  words[4] = static_cast<std::uint64_t>(slot.log_start.value());
  words[5] = static_cast<std::uint64_t>(slot.durable.value());
  words[6] = static_cast<std::uint64_t>(slot.visible.value());
  words[7] = static_cast<std::uint64_t>(slot.last_stable.value());
  words[8] = static_cast<std::uint64_t>(slot.segment_base.value());
  words[9] = slot.end_position;
  words[10] = slot.generation;
  return words;
}

LiveSlot decode(const SlotWords& words) {
  LiveSlot slot;
  std::memcpy(slot.key.topic.bytes.data(), &words[1], 16);
  slot.key.partition = PartitionId(static_cast<std::int32_t>(words[3] & 0xFFFFFFFF));
  slot.epoch = Epoch(static_cast<std::int32_t>(words[3] >> 32));
  slot.log_start = Offset(static_cast<std::int64_t>(words[4]));
  slot.durable = Offset(static_cast<std::int64_t>(words[5]));
  slot.visible = Offset(static_cast<std::int64_t>(words[6]));
  slot.last_stable = Offset(static_cast<std::int64_t>(words[7]));
  slot.segment_base = Offset(static_cast<std::int64_t>(words[8]));
  slot.end_position = words[9];
  slot.generation = words[10];
  return slot;
}

std::string live_path(const std::string& directory) { return os::join(directory, "live"); }
std::string hidden_path(const std::string& directory) { return live_path(directory) + ".tmp"; }

}  // namespace

Result<std::unique_ptr<LiveWriter>> LiveWriter::create(os::Env& env, const std::string& directory, const StoreId& store_id,
                                                       Epoch epoch) {
  std::unique_ptr<LiveWriter> writer(new LiveWriter);
  BATON_TRY_ASSIGN(writer->file_, env.fs().open(hidden_path(directory), {.write = true, .create = true, .truncate = true}));
  BATON_TRY_ASSIGN(auto page, writer->file_->map_shared(0, kPageBytes));
  std::byte* p = page->data();
  const std::string boot = env.boot_id();
  std::memcpy(p, kMagic, 8);
  base::store_le<std::uint32_t>(p + 8, kFormat);
  std::memcpy(p + 16, store_id.data(), 16);
  std::memcpy(p + 32, boot.data(), std::min(boot.size(), std::size_t{36}));
  base::store_le<std::uint64_t>(p + 72, static_cast<std::uint64_t>(env.process_id()));
  base::store_le<std::int32_t>(p + 80, epoch.value());
  base::store_le<std::uint32_t>(p + kFixedBytes - 4, base::crc32c(0, base::ByteView(p, kFixedBytes - 4)));
  writer->pages_.push_back(std::move(page));
  writer->publish_header();
  return writer;
}

Status LiveWriter::show(os::Env& env, const std::string& directory) const {
  return env.fs().rename(hidden_path(directory), live_path(directory));
}

std::byte* LiveWriter::slot_at(std::size_t number) const {
  return pages_[1 + number / kSlotsPerPage]->data() + number % kSlotsPerPage * kSlotBytes;
}

Result<std::size_t> LiveWriter::add(const LiveSlot& slot) {
  const std::size_t number = header_.slot_count;
  if (1 + number / kSlotsPerPage == pages_.size()) {
    BATON_TRY_ASSIGN(auto page, file_->map_shared(pages_.size() * kPageBytes, kPageBytes));
    pages_.push_back(std::move(page));
  }
  publish(number, slot);
  ++header_.slot_count;
  publish_header();
  return number;
}

void LiveWriter::publish(std::size_t number, const LiveSlot& slot) { write_slot(slot_at(number), encode(slot)); }

void LiveWriter::set_catalogue_bytes(std::uint64_t bytes) {
  header_.catalogue_bytes = bytes;
  publish_header();
}

void LiveWriter::set_state(LiveState state) {
  header_.state = state;
  publish_header();
}

Result<bool> writer_is_there(os::FileSystem& fs, const std::string& directory) {
  const auto lock = fs.open(os::join(directory, "LOCK"), {});
  return lock ? (*lock)->is_locked(os::LockKind::shared, 0, 0) : Result<bool>(false);
}

Result<bool> LiveWriter::held() const { return file_->is_locked(os::LockKind::exclusive, 0, 0); }

void LiveWriter::publish_header() {
  SlotWords words{};
  words[1] = header_.slot_count | std::uint64_t{static_cast<std::uint32_t>(header_.state)} << 32;
  words[2] = header_.catalogue_bytes;
  write_slot(pages_.front()->data() + kStateAt, words);
}

Result<std::unique_ptr<LiveReader>> LiveReader::open(os::Env& env, const std::string& directory) {
  std::unique_ptr<LiveReader> reader(new LiveReader);
  BATON_TRY_ASSIGN(reader->file_, env.fs().open(live_path(directory), {}));
  BATON_TRY_ASSIGN(auto page, reader->file_->map_shared(0, kPageBytes));
  const std::byte* p = page->data();
  if (std::memcmp(p, kMagic, 8) != 0 ||
      base::load_le<std::uint32_t>(p + kFixedBytes - 4) != base::crc32c(0, base::ByteView(p, kFixedBytes - 4))) {
    return Error{Code::unavailable, "live: not the marks of a writer; open the store for writing once"};
  }
  if (base::load_le<std::uint32_t>(p + 8) != kFormat) return Error{Code::unsupported_format, "live: a newer format"};
  std::memcpy(reader->fixed_.store_id.data(), p + 16, 16);
  const auto boot = base::as_text(base::ByteView(p + 32, 36));
  reader->fixed_.boot_id = std::string(boot.substr(0, boot.find('\0')));
  reader->fixed_.writer_pid = base::load_le<std::uint64_t>(p + 72);
  reader->fixed_.epoch = Epoch(base::load_le<std::int32_t>(p + 80));
  reader->pages_.push_back(std::move(page));
  return reader;
}

Result<LiveHeader> LiveReader::header() const {
  BATON_TRY_ASSIGN(const auto words, read_slot(pages_.front()->data() + kStateAt));
  LiveHeader header = fixed_;
  header.slot_count = static_cast<std::uint32_t>(words[1] & 0xFFFFFFFF);
  header.state = static_cast<LiveState>(words[1] >> 32);
  header.catalogue_bytes = words[2];
  return header;
}

Status LiveReader::hold() {
  BATON_TRY_ASSIGN(const bool held, file_->try_lock(os::LockKind::shared, 0, 0));
  if (held) return {};
  return Error{Code::unavailable, "live: something else than Baton holds a lock on the file"};
}

Result<LiveSlot> LiveReader::slot(std::size_t number) {
  while (1 + number / kSlotsPerPage >= pages_.size()) {
    BATON_TRY_ASSIGN(auto page, file_->map_shared(pages_.size() * kPageBytes, kPageBytes));
    pages_.push_back(std::move(page));
  }
  BATON_TRY_ASSIGN(const auto words, read_slot(pages_[1 + number / kSlotsPerPage]->data() + number % kSlotsPerPage * kSlotBytes));
  return decode(words);
}

}  // namespace baton::log
