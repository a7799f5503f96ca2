// Any bytes as a marks file: no crash; what is accepted ascends, and cuts where it says.
#include <cstdint>
#include <cstdlib>

#include "base/crc32c.h"
#include "log/marks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  using namespace baton::log;
  const PartitionKey key;
  base::Bytes file = encode_marks_header(key, Offset(0));
  // The fuzzer cannot guess CRCs and chains: they are put right, so that what is behind them is reached.
  std::uint32_t chain = base::load_le<std::uint32_t>(file.data() + 508);
  for (std::size_t at = 0; at + kSectorBytes <= size; at += kSectorBytes) {
    base::Bytes sector(reinterpret_cast<const std::byte*>(data) + at, reinterpret_cast<const std::byte*>(data) + at + kSectorBytes);
    base::store_le<std::uint32_t>(sector.data(), 0x314b4d42);
    base::store_le<std::uint32_t>(sector.data() + 8, chain);
    chain = base::crc32c(0, base::ByteView(sector).subspan(8));
    base::store_le<std::uint32_t>(sector.data() + 4, chain);
    base::put_bytes(file, sector);
  }
  auto content = parse_marks(file, key, Offset(0));
  if (!content) std::abort();
  (void)parse_marks(base::ByteView(reinterpret_cast<const std::byte*>(data), size), key, Offset(0));
  Mark before;
  for (const auto& mark : content->marks) {
    if (mark.end_position <= before.end_position || mark.next_offset <= before.next_offset) std::abort();
    before = mark;
  }
  if (before.end_position != content->end.end_position) std::abort();
  const std::uint64_t middle = content->end.end_position / 2;
  if (!cut_marks(*content, middle) || content->end.end_position < middle) std::abort();
  return 0;
}
