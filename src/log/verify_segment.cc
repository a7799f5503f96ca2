// A segment against its marks and its seal.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/crc32c.h"
#include "base/sha256.h"
#include "base/try.h"
#include "log/marks.h"
#include "log/segment.h"
#include "log/verifier.h"

namespace baton::log {
namespace {

constexpr std::size_t kStepBytes = 1u << 20;

}  // namespace

struct Verifier::Walk {
  std::vector<Mark> marks;
  std::size_t next_mark = 0;
  std::uint32_t range_crc = 0;
  std::int64_t max_timestamp = INT64_MIN;
  Epoch epoch;
  Offset expected;
  std::uint64_t position = 0;
  base::Sha256 sha;
  bool failed = false;
};

Status Verifier::check_segment(const Target& target) {
  const auto file = fs_.open(path(target.name(".log")), {});
  if (!file && file.error().code == Code::not_found) {
    BATON_TRY_ASSIGN(const bool gone, is_gone(target));
    if (!gone) found(target.name(".log"), 0, "the file is missing");
    return {};
  }
  if (!file) return file.error();
  Walk state;
  state.expected = target.base;
  const auto bytes = os::read_state_file(fs_, path(target.name(".marks")), kMarksFileBytesMax);
  if (!bytes && bytes.error().code != Code::not_found) return bytes.error();
  const auto content = bytes ? parse_marks(*bytes, target.key, target.base) : Result<MarksContent>(bytes.error());
  if (!content) {
    BATON_TRY_ASSIGN(const bool gone, is_gone(target));
    if (gone) return {};
  }
  ++report_.segments;
  if (content) {
    state.marks = content->marks;
  } else {
    found(target.name(".marks"), 0, bytes ? content.error().detail : "the file is missing");
  }
  if (target.seal != nullptr) state.sha.update(std::as_bytes(std::span(target.seal->previous)));
  BATON_TRY(walk(target, **file, state));
  BATON_TRY_ASSIGN(const std::uint64_t size, (*file)->size());
  if (!state.failed) check_end(target, state, size);
  return {};
}

// Batch by batch, in steps of kStepBytes or of one batch that is larger.
Status Verifier::walk(const Target& target, const os::File& file, Walk& state) {
  base::Bytes bytes;
  std::size_t step = kStepBytes;
  const auto ended = [&] {
    return state.position >= target.end ||
           (target.end == UINT64_MAX && target.following && state.expected >= *target.following);
  };
  while (!ended() && !state.failed) {
    bytes.resize(std::min<std::uint64_t>(step, target.end - state.position));
    BATON_TRY_ASSIGN(const std::size_t got, file.read_at(state.position, bytes));
    bytes.resize(got);
    const std::uint64_t begin = state.position;
    for (const auto& piece : target.last_sector) {
      const std::uint64_t from = std::max(piece.position, begin);
      const std::uint64_t to = std::min(piece.position + piece.bytes.size(), begin + got);
      if (from < to) std::memcpy(bytes.data() + (from - begin), piece.bytes.data() + (from - piece.position), to - from);
    }
    while (!ended() && state.position - begin < got) {
      const auto rest = base::ByteView(bytes).subspan(state.position - begin);
      const auto size = batch_size(rest, target.batch_bytes_max);
      if (size && (!*size || **size > rest.size())) break;
      const auto header = size ? check_batch(rest.first(**size)) : Result<BatchHeader>(size.error());
      const auto bad = [&](const std::string& what) {
        found(target.name(".log"), state.position, what);
        state.failed = true;
      };
      if (!header) {
        bad(header.error().detail);
        break;
      }
      if (header->base_offset < state.expected) bad("offsets do not ascend");
      if (header->epoch < state.epoch || header->epoch > catalogue_->state().epoch) bad("the epoch does not follow");
      const auto records = for_each_record(rest.first(**size), {}, [&](const RecordView&) -> Status {
        ++report_.records;
        return {};
      });
      if (!records) bad(records.error().detail);
      if (state.failed) break;
      if (visit_) visit_({target.key, target.base, FilePosition(state.position), *header, rest.first(**size)});
      state.epoch = header->epoch;
      state.expected = header->next_offset();
      state.max_timestamp = std::max(state.max_timestamp, header->max_timestamp);
      state.position += **size;
      ++report_.batches;
      check_marks(target, state, rest.first(**size));
    }
    const std::uint64_t moved = state.position - begin;
    report_.bytes += moved;
    done_ += moved;
    progress_(done_, std::max(done_, total_));
    if (state.failed || moved > 0) continue;
    if (got < std::min<std::uint64_t>(step, target.end - begin) || got == target.end - begin) {
      found(target.name(".log"), begin + got, "the segment ends too early");
      state.failed = true;
    }
    step *= 4;
  }
  return {};
}

// `run` is the batch that was just passed. A mark ends where a batch ends.
void Verifier::check_marks(const Target& target, Walk& state, base::ByteView run) {
  state.range_crc = base::crc32c(state.range_crc, run);
  if (target.seal != nullptr) state.sha.update(run);
  if (state.next_mark == state.marks.size() || state.marks[state.next_mark].end_position > state.position) return;
  const Mark& mark = state.marks[state.next_mark];
  const std::uint64_t begin = state.next_mark == 0 ? 0 : state.marks[state.next_mark - 1].end_position;
  if (mark.end_position != state.position || mark.next_offset != state.expected) {
    found(target.name(".marks"), kSectorBytes, "mark " + std::to_string(state.next_mark) + " does not end where a batch ends");
  } else if (mark.range_crc != state.range_crc) {
    found(target.name(".log"), begin,
          "the bytes up to position " + std::to_string(mark.end_position) + " do not match their mark");
  } else if (mark.max_timestamp != state.max_timestamp) {
    found(target.name(".marks"), kSectorBytes,
          "mark " + std::to_string(state.next_mark) + " has another newest time than the batches");
  }
  state.range_crc = 0;
  ++state.next_mark;
}

void Verifier::check_end(const Target& target, const Walk& state, std::uint64_t size) {
  if (target.following && state.expected != *target.following) {
    found(target.name(".log"), state.position,
          "the segment ends at offset " + std::to_string(state.expected.value()) + ", and " +
              std::to_string(target.following->value()) + " is expected");
  }
  const std::uint64_t marked = state.next_mark == 0 ? 0 : state.marks[state.next_mark - 1].end_position;
  if (target.marked && marked < state.position) {
    found(target.name(".marks"), kSectorBytes,
          "the marks end at position " + std::to_string(marked) + " of " + std::to_string(state.position));
  }
  if (target.seal == nullptr) return;
  if (size != target.seal->bytes)
    found(target.name(".log"), std::min(size, target.seal->bytes), "the size differs from the seal's");
  base::Sha256 sha = state.sha;
  if (std::bit_cast<Hash256>(sha.finish()) != target.seal->hash) {
    found(target.name(".log"), 0, "the bytes do not have the SHA-256 of their seal");
  }
}

}  // namespace baton::log
