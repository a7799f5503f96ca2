// Any bytes as a journal record and header: no crash, and what is accepted comes out again as it went in.
#include <cstdint>
#include <cstdlib>

#include "log/journal_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace baton;
  using namespace baton::log;
  const base::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)parse_journal_header(bytes);
  const auto fixed = peek_record(bytes);
  ParsedRecord record;
  if (!parse_record(bytes, record)) return 0;
  std::size_t payload = kRecordFixedBytes + record.parts.size() * kPartBytes;
  for (const auto& part : record.parts) payload += part.payload.size();
  if (!fixed || payload != size) std::abort();
  base::Bytes again(bytes.begin(), bytes.end());
  if (finish_record(record.fixed, again) != record.fixed.crc) std::abort();
  return 0;
}
