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

// How many bytes of a segment are record batches: it is allocated ahead.
std::uint64_t end_of_batches(base::ByteView segment) {
  std::uint64_t at = 0;
  while (at + kBatchPrefix <= segment.size()) {
    const auto length = base::load_be<std::uint32_t>(segment.data() + at + kBatchLengthAt);
    if (length == 0 || at + kBatchPrefix + length > segment.size()) break;
    at += kBatchPrefix + length;
  }
  return at;
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

// One bit of what is durable. Nothing false may ever be read: damage is reported with its file, or the thing is derived and made
// again, or the bit meant nothing (F9, F11, F19, F20).
void Run::flip_a_bit() {
  auto& disk = world_.disk();
  std::optional<os::SimDisk::FlippedBit> flipped;
  bool derived = false;
  bool must_be_found = false;
  switch (random_.below(6)) {
    case 0:
    case 1: {
      std::vector<std::pair<std::string, std::uint64_t>> segments;
      for (const auto& file : disk.files()) {
        if (!file.path.ends_with(".log")) continue;
        const std::uint64_t end = std::min(end_of_batches(*disk.read(file.path)), file.durable_size);
        if (end > 0) segments.emplace_back(file.path, end);
      }
      if (segments.empty()) return;
      const auto& [path, end] = segments[random_.below(segments.size())];
      flipped = {.path = path, .offset = random_.below(end), .bit = static_cast<unsigned>(random_.below(8))};
      disk.flip_bit(flipped->path, flipped->offset, flipped->bit);
      // Of a killed process the journal still holds what is in no mark yet, and writes it again.
      must_be_found = fate_ == Fate::close;
      break;
    }
    case 2: {
      // Of a killed process the last record cannot be told from a torn one.
      const std::string path = std::string(kDirectory) + "/catalogue";
      const std::uint64_t size = disk.read(path)->size() - (fate_ == Fate::close ? 0 : os::kSectorSize);
      flipped = {.path = path, .offset = random_.below(size), .bit = static_cast<unsigned>(random_.below(8))};
      disk.flip_bit(flipped->path, flipped->offset, flipped->bit);
      break;
    }
    case 3: flipped = disk.flip_random_bit([](const std::string& path) { return path.ends_with(".marks") || lies_in(path, "/heads-"); }); break;
    case 4: flipped = disk.flip_random_bit([](const std::string& path) { return lies_in(path, "/journal/"); }); break;
    default:
      flipped = disk.flip_random_bit([](const std::string& path) { return lies_in(path, "/index/") || lies_in(path, "/snapshots/"); });
      derived = true;
  }
  if (!flipped) return;
  ++counts_.flips;
  const std::string where = "a bit flips in " + flipped->path + " at " + std::to_string(flipped->offset) + ": ";
  const auto report = verify();
  if (must_be_found && report.ok() && report->findings.empty()) wrong(where + "verify does not see it");
  if (!report && report.error().code != Code::corrupt) wrong(where + "verify: " + report.error().to_string());
  if (!wrong_.empty()) return;

  flipped_ = true;
  damaged_ = !derived;
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
