// Any bytes as a record batch, and, so that the CRC does not keep the fuzzer out, any bytes as the records of a batch whose header
// and CRC are right. What is read is built again and must be read as the same.
#include <cstdint>

#include "log/batch_for_test.h"

namespace baton::log {
namespace {

constexpr BatchLimits kLimits{.uncompressed_bytes_max = 1u << 20, .ratio_max = 1024, .headers_per_record_max = 256};

void build_again(const BatchHeader& header, const std::vector<OwnedRecord>& records) {
  BatchBuilder builder;
  for (const auto& r : records) add(builder, r, static_cast<std::int32_t>(r.offset - header.base_offset.value()));
  auto built = builder.finish(header.log_append_time() && header.max_timestamp >= 0 ? header.max_timestamp : -1, header);
  BATON_CHECK(built.ok(), "what was read cannot be built");
  stamp_batch(*built, header.base_offset, header.epoch);
  BATON_CHECK(check_batch(*built).ok(), "what was built is refused");
  auto again = records_of(*built);
  BATON_CHECK(again.size() == records.size(), "a record was lost");
  for (std::size_t i = 0; i < again.size(); ++i) {
    if (header.log_append_time()) again[i].timestamp = records[i].timestamp;
    BATON_CHECK(again[i] == records[i], "a record has changed");
  }
}

void read(base::ByteView batch) {
  (void)batch_size(batch, 1u << 20);
  (void)check_batch(batch);
  std::vector<OwnedRecord> records;
  RecordCursor cursor(kLimits);
  if (!cursor.start(batch).ok()) return;
  std::vector<HeaderView> headers;
  const bool packed = cursor.header().codec() != Codec::none;
  while (cursor.next()) {
    records.push_back(own(cursor.record()));
    if (packed) continue;
    const base::ByteView bytes = cursor.record().bytes;
    BATON_CHECK(record_size(bytes, bytes.size()).value() == bytes.size(), "a record's size");
    const auto alone = parse_record_at(bytes, cursor.header(), 0, headers);
    BATON_CHECK(alone.ok() && own(*alone) == records.back(), "a record read alone is another one");
  }
  if (cursor.status().ok()) build_again(cursor.header(), records);
}

}  // namespace
}  // namespace baton::log

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  const auto bytes = std::as_bytes(std::span(data, size));
  log::read(bytes);
  // The first byte says which codec and how many records, the rest is the records.
  if (size < 2) return 0;
  log::BatchBuilder builder;
  log::BatchHeader header;
  header.last_offset_delta = 63;
  base::Bytes batch = builder.finish(data[0] & 0x80 ? 1000 : -1, header).value();
  base::put_bytes(batch, bytes.subspan(1));
  batch[22] |= static_cast<std::byte>((data[0] >> 4) % 5);
  base::store_be<std::int32_t>(batch.data() + 57, data[0] & 0xF);
  log::reseal(batch);
  log::read(batch);
  return 0;
}
