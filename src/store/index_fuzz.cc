// Parses the index's files from arbitrary bytes: manifest, run, heads snapshot. The first byte chooses, and whether checksums
// are made right first, so that what lies behind them is reached.
#include <cstdlib>

#include "base/crc32c.h"
#include "os/sim_env.h"
#include "store/heads_snapshot.h"
#include "store/index_manifest.h"
#include "store/index_merge.h"
#include "store/index_run.h"

namespace baton::store {
namespace {

const log::PartitionKey kPartition{{{1, 2, 3}}, log::PartitionId(0)};

void require(bool condition) {
  if (!condition) std::abort();
}

void seal(base::MutableByteView bytes) {
  base::store_le<std::uint32_t>(bytes.data() + bytes.size() - 4, base::crc32c(0, bytes.first(bytes.size() - 4)));
}

void fuzz_manifest(base::Bytes bytes, bool fix) {
  if (fix && bytes.size() >= 4) seal(bytes);
  const auto manifest = IndexManifest::decode(bytes);
  if (!manifest) return;
  require(IndexManifest::whole_bytes(bytes) > 0 && IndexManifest::whole_bytes(bytes) <= bytes.size());
  const auto again = IndexManifest::decode(manifest->encode());
  require(again.ok() && *again == *manifest);
}

// Two bytes say how many entries; the rest is the file, cut or filled with zeros to the size that belongs to it.
void fuzz_run(base::Bytes bytes, bool fix) {
  if (bytes.size() < 2) return;
  const RunInfo planned{.number = 1, .entries = base::load_le<std::uint16_t>(bytes.data()) % 400u + 1, .first = 0, .end = 1000};
  const RunLayout layout(planned.entries);
  bytes.erase(bytes.begin(), bytes.begin() + 2);
  RunInfo info = planned;
  if (fix) {
    bytes.resize(layout.file_bytes);
    for (std::uint64_t page = 0; page < layout.blocks + layout.filter_pages; ++page) {
      seal(base::MutableByteView(bytes).subspan(page * 4096, 4096));
    }
    std::byte* footer = bytes.data() + layout.footer_position;
    std::memset(footer, 0, RunLayout::kFooterBytes);
    std::memcpy(footer, "BTNIDX01", 8);
    std::size_t at = 8;
    for (const std::uint64_t field : {layout.entries, layout.blocks, layout.filter_position, layout.filter_bytes,
                                      layout.directory_position, layout.directory_bytes, std::uint64_t{0}, std::uint64_t{1000}}) {
      base::store_le<std::uint64_t>(footer + at, field);
      at += 8;
    }
    base::store_le<std::uint32_t>(
        footer + at, base::crc32c(0, base::ByteView(bytes).subspan(layout.directory_position, layout.directory_bytes)));
    seal(base::MutableByteView(bytes).last(RunLayout::kFooterBytes));
    info.footer_crc = base::load_le<std::uint32_t>(bytes.data() + bytes.size() - 4);
  } else if (bytes.size() >= 4) {
    info.footer_crc = base::load_le<std::uint32_t>(bytes.data() + bytes.size() - 4);
  }
  os::SimWorld world;
  world.disk().write("/i/run-1.idx", bytes);
  os::SimEnv env(world);
  const auto run = IndexRun::open(env.fs(), "/i", info);
  if (!run) return;
  (*run)->verify({}, [](std::uint64_t position, const std::string&) { (void)position; });
  for (std::uint64_t n = 0; n < layout.entries; n += 7) {
    const auto entry = (*run)->at(n);
    if (!entry) continue;
    (void)(*run)->may_contain(entry->hash);
    for (const std::uint64_t hash : {entry->hash, entry->hash + 1, ~entry->hash}) {
      const auto found = (*run)->lower_bound(hash, entry->offset());
      require(!found.ok() || *found <= layout.entries);
    }
  }
  IndexMerge merge(env.fs(), "/i", {*run, *run}, 2, info.end / 3);
  while (true) {
    const auto done = merge.step(100);
    if (!done || *done) break;
  }
}

void fuzz_heads(base::Bytes bytes, bool fix) {
  constexpr std::size_t kBlock = 64u << 10;
  if (fix && bytes.size() > 520) {
    // One block and its directory of one hash, whatever there was.
    bytes.resize(512 + kBlock + 12);
    base::store_le<std::uint64_t>(bytes.data() + 48, 1);
    seal(base::MutableByteView(bytes).first(512));
    seal(base::MutableByteView(bytes).subspan(512, kBlock));
    seal(base::MutableByteView(bytes).subspan(512 + kBlock));
  }
  os::SimWorld world;
  world.disk().write("/d/heads", bytes);
  os::SimEnv env(world);
  const auto reader = HeadsReader::open(env, "/d/heads", kPartition);
  if (!reader) return;
  std::vector<std::string> names;
  (void)(*reader)->for_each([&](const StreamHead& head) {
    require(!head.name.empty());
    if (names.size() < 20) names.push_back(head.name);
    return true;
  });
  for (const auto& name : names) (void)(*reader)->find(name);
  (void)(*reader)->find("nobody");
}

}  // namespace
}  // namespace baton::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  if (size == 0) return 0;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  base::Bytes rest(bytes + 1, bytes + size);
  const bool fix = (data[0] & 4) != 0;
  switch (data[0] & 3) {
    case 0: store::fuzz_manifest(std::move(rest), fix); break;
    case 1: store::fuzz_run(std::move(rest), fix); break;
    default: store::fuzz_heads(std::move(rest), fix); break;
  }
  return 0;
}
