// The bytes of a segment that the journal or the marks tell of: of one part, and batch by batch.
#include <algorithm>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/batch.h"
#include "log/recovery.h"

namespace baton::log {
namespace {

Error corrupt(const std::string& name, std::uint64_t position, std::string_view what) {
  return {Code::corrupt, name + ", position " + std::to_string(position) + ": " + std::string(what)};
}

}  // namespace

Result<base::Bytes> read_in_place(const os::File& file, const std::string& name, const ParsedRecord::Part& part) {
  base::Bytes data(part.length);
  BATON_TRY_ASSIGN(const std::size_t got, file.read_at(part.position, data));
  if (got != data.size()) return corrupt(name, part.position + got, "the segment ends within a durable round");
  const std::size_t tail = std::min(part.payload.size(), data.size());
  std::ranges::copy(part.payload.last(tail), data.end() - static_cast<std::ptrdiff_t>(tail));
  return data;
}

Status walk_batches(const os::File& file, const std::string& name, std::uint64_t position, std::uint64_t end, Offset expected,
                    std::size_t batch_bytes_max, const std::function<void(const MarkBuilder::Piece&)>& piece) {
  base::Bytes bytes;
  std::size_t step = 256u << 10;
  while (position < end) {
    bytes.resize(std::min<std::uint64_t>(step, end - position));
    BATON_TRY_ASSIGN(const std::size_t got, file.read_at(position, bytes));
    if (got != bytes.size()) return corrupt(name, position + got, "the segment is shorter than it should be");
    std::size_t at = 0;
    std::size_t begin = 0;
    MarkBuilder::Piece run{.max_timestamp = INT64_MIN};
    const auto finish = [&] {
      run.bytes = at - begin;
      run.crc = base::crc32c(0, base::ByteView(bytes).subspan(begin, run.bytes));
      if (run.bytes > 0) piece(run);
      run = {.max_timestamp = INT64_MIN};
      begin = at;
    };
    while (at < bytes.size()) {
      const auto rest = base::ByteView(bytes).subspan(at);
      auto size = batch_size(rest, batch_bytes_max);
      if (!size) return corrupt(name, position + at, size.error().detail);
      if (!*size || **size > rest.size()) break;
      auto header = check_batch(rest.first(**size));
      if (!header) return corrupt(name, position + at, header.error().detail);
      if (header->base_offset < expected) return corrupt(name, position + at, "offsets do not ascend");
      expected = header->next_offset();
      at += **size;
      run.next_offset = expected;
      run.max_timestamp = std::max(run.max_timestamp, header->max_timestamp);
      run.arrival_ms = header->log_append_time() ? header->max_timestamp : 0;
      if (at - begin >= kMarkRangeBytes) finish();
    }
    finish();
    if (at == 0) {
      if (bytes.size() == end - position) return corrupt(name, position, "the segment ends within a batch");
      step *= 2;
    }
    position += at;
  }
  return {};
}

}  // namespace baton::log
