#include "log/direct_writer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/try.h"

namespace baton::log {

Status DirectWriter::write(os::File& file, std::uint64_t position, base::ByteView lead, std::span<const base::ByteView> pieces) {
  BATON_CHECK(lead.size() == position % os::kDirectBytes, "the lead of a direct write reaches back to the sector boundary");
  if (!memory_) memory_.reset(static_cast<std::byte*>(::operator new(kBytes, kAlignment)));
  std::byte* const memory = memory_.get();
  std::uint64_t at = position - lead.size();  // of the file: what memory[0] becomes
  std::size_t used = lead.size();
  std::ranges::copy(lead, memory);
  for (base::ByteView piece : pieces) {
    while (!piece.empty()) {
      const std::size_t taken = std::min(piece.size(), kBytes - used);
      std::memcpy(memory + used, piece.data(), taken);
      used += taken;
      piece = piece.subspan(taken);
      if (used < kBytes) continue;
      BATON_TRY(file.write_direct(at, {memory, used}));
      at += used;
      used = 0;
    }
  }
  if (used == 0) return {};
  const std::size_t whole = (used + os::kDirectBytes - 1) / os::kDirectBytes * os::kDirectBytes;
  std::fill(memory + used, memory + whole, std::byte{0});
  return file.write_direct(at, {memory, whole});
}

}  // namespace baton::log
