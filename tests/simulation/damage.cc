// What happens after the last process: the directory is verified, and then, perhaps, a bit flips in it.
#include <algorithm>

#include "base/bytes.h"
#include "log/log.h"
#include "run.h"
#include "store/store_impl.h"

namespace baton::simulation {
namespace {

constexpr std::size_t kBatchLengthAt = 8;  // Kafka documentation, "Record Batch"
constexpr std::size_t kBatchPrefix = 12;
constexpr std::size_t kBatchUncovered = 21;  // up to the attributes
constexpr std::size_t kEntryBytes = 24;  // docs/formats/index.md
constexpr std::size_t kBlockCountAt = 4080;

// How many bytes of a segment are record batches below the offset `end`: it is allocated ahead, and behind its end there may be
// batches that were never acknowledged.
std::uint64_t end_of_batches(base::ByteView segment, std::int64_t end) {
  std::uint64_t at = 0;
  while (at + kBatchPrefix <= segment.size()) {
    if (base::load_be<std::int64_t>(segment.data() + at) >= end) break;
    const auto length = base::load_be<std::uint32_t>(segment.data() + at + kBatchLengthAt);
    if (length == 0 || at + kBatchPrefix + length > segment.size()) break;
    at += kBatchPrefix + length;
  }
  return at;
}

// Of an index run, the entries in its first block.
std::uint64_t end_of_first_entries(const std::string&, base::ByteView run) {
  return run.size() < kBlockCountAt + 4 ? 0 : base::load_le<std::uint32_t>(run.data() + kBlockCountAt) * kEntryBytes;
}

std::uint64_t end_of_what_is_not_zero(const std::string&, base::ByteView content) {
  std::size_t end = content.size();
  while (end > 0 && content[end - 1] == std::byte{0}) --end;
  return end;
}

bool lies_in(const std::string& path, const char* directory) { return path.find(directory) != std::string::npos; }

}  // namespace

Result<log::VerifyReport> Run::verify() {
  os::SimEnv env(world_);
  return log::verify(env, kDirectory, std::nullopt, {});
}

void Run::verify_finds_nothing() {
  const auto report = verify();
  if (!report) {
    wrong("verify: " + report.error().to_string());
  } else if (!report->findings.empty()) {
    const log::Finding& first = report->findings.front();
    wrong("verify: " + first.file + ", position " + std::to_string(first.position) + ": " + first.what);
  }
}

// Each flip meets the directory as the last process has left it.
void Run::flip_bits() {
  auto& disk = world_.disk();
  std::vector<std::pair<std::string, base::Bytes>> saved;
  for (const auto& file : disk.files()) saved.emplace_back(file.path, *disk.read(file.path));
  for (std::uint64_t i = 2 + random_.below(5); i > 0 && wrong_.empty(); --i) {
    disk.remove(kDirectory);
    for (const auto& [path, content] : saved) disk.write(path, content);
    flip_a_bit();
  }
}

// Where the log ends, of the partition that a segment is of.
std::int64_t Run::end_of(const std::string& segment) const {
  for (std::size_t c = 0; c < histories_.size(); ++c) {
    if (topics_[c].empty() || !lies_in(segment, topics_[c].c_str())) continue;
    const std::string partition = os::parent(segment);
    return histories_[c].partitions()[static_cast<std::size_t>(partition.back() - '0')].end();
  }
  return 0;
}

// A bit of one kind of files, below `end` of each.
std::optional<os::SimDisk::FlippedBit> Run::flip_in(const std::function<bool(const std::string& path)>& eligible,
                                                    const std::function<std::uint64_t(const std::string& path, base::ByteView content)>& end) {
  auto& disk = world_.disk();
  std::vector<std::pair<std::string, std::uint64_t>> files;
  for (const auto& file : disk.files()) {
    if (!eligible(file.path)) continue;
    const std::uint64_t bytes = end(file.path, *disk.read(file.path));
    if (bytes > 0) files.emplace_back(file.path, bytes);
  }
  if (files.empty()) return std::nullopt;
  const auto& [path, bytes] = files[random_.below(files.size())];
  os::SimDisk::FlippedBit flipped{.path = path, .offset = random_.below(bytes), .bit = static_cast<unsigned>(random_.below(8))};
  disk.flip_bit(flipped.path, flipped.offset, flipped.bit);
  return flipped;
}

// Nothing false may ever be read: damage is reported with its file, or the thing is derived and made again, or the bit meant
// nothing (F9, F11, F19, F20).
void Run::flip_a_bit() {
  const bool closed = fate_ == Fate::close;
  std::optional<os::SimDisk::FlippedBit> flipped;
  bool derived = false;
  bool must_be_found = false;
  switch (random_.below(9)) {
    case 0:
      // A batch's first bytes, which its own CRC does not cover.
      flipped = flip_in([](const std::string& path) { return path.ends_with(".log"); },
                        [&](const std::string& path, base::ByteView content) {
                          return std::min<std::uint64_t>(end_of_batches(content, end_of(path)), kBatchUncovered);
                        });
      must_be_found = closed;
      break;
    case 1:
      flipped = flip_in([](const std::string& path) { return path.ends_with(".log"); },
                        [&](const std::string& path, base::ByteView content) { return end_of_batches(content, end_of(path)); });
      // Of a killed process the journal still holds what is in no mark yet, and writes it again.
      must_be_found = closed;
      break;
    case 2:
      // Of a killed process the last record cannot be told from a torn one.
      flipped = flip_in([](const std::string& path) { return path.ends_with("/catalogue"); },
                        [&](const std::string&, base::ByteView content) { return content.size() - (closed ? 0 : os::kSectorSize); });
      break;
    case 3:
      flipped = flip_in([](const std::string& path) { return path.ends_with(".marks") || lies_in(path, "/heads-"); },
                        [](const std::string&, base::ByteView content) { return content.size(); });
      break;
    case 4:
    case 5: flipped = flip_in([](const std::string& path) { return lies_in(path, "/journal/"); }, end_of_what_is_not_zero); break;
    case 6:
    case 7:
      flipped = flip_in([](const std::string& path) { return path.ends_with(".idx"); }, end_of_first_entries);
      derived = true;
      break;
    default:
      flipped = flip_in([](const std::string& path) { return lies_in(path, "/index/") || lies_in(path, "/snapshots/"); },
                        [](const std::string&, base::ByteView content) { return content.size(); });
      derived = true;
  }
  if (!flipped) return;
  ++counts_.flips;
  const std::string where = "a bit flips in " + flipped->path + " at " + std::to_string(flipped->offset) + ": ";
  say(where);
  // In another boot of the machine the marks of the last process say nothing, and each defence of what is on the disk stands alone.
  if (random_.below(4) > 0) world_.disk().restart();
  const auto report = verify();
  if (must_be_found && report.ok() && report->findings.empty()) wrong(where + "verify does not see it");
  if (!report && report.error().code != Code::corrupt) wrong(where + "verify: " + report.error().to_string());
  if (!wrong_.empty()) return;

  flipped_ = true;
  damaged_ = !derived;
  ended_ = false;
  faulty_ = false;
  env_ = std::make_unique<os::SimEnv>(world_);
  auto opened = store::open_store(*env_, kDirectory, options());
  if (opened) {
    store_ = *std::move(opened);
    check_all();
    if (wrong_.empty() && !ended_) check_all();  // an index that was dropped is there again
    store_ = nullptr;
  } else if (derived || opened.error().code != Code::corrupt) {
    wrong("open: " + opened.error().to_string());
  }
  if (!wrong_.empty()) wrong_ = where + wrong_;
  env_ = nullptr;
}

}  // namespace baton::simulation
