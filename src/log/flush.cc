#include "log/flush.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/try.h"
#include "log/recovery.h"

namespace baton::log {
namespace {

constexpr std::size_t kDirectoriesOneByOne = 8;  // more are made durable by one sync of the file system

// The CRC of a whole batch. A batch has the CRC of all behind its header's first fields: it is not computed again where that is dear.
std::uint32_t crc_of(base::ByteView batch) {
  constexpr std::size_t kCovered = kBatchCrcAt + sizeof(std::uint32_t);
  constexpr std::size_t kLong = 4096;
  if (batch.size() < kLong) return base::crc32c(0, batch);
  const std::uint32_t front = base::crc32c(0, batch.first(kCovered));
  return base::crc32c_combine(front, base::load_be<std::uint32_t>(batch.data() + kBatchCrcAt), batch.size() - kCovered);
}

// The CRCs of the data of a part, cut into pieces at batch boundaries so that marks stay small. `data`: the part's bytes in one piece,
// or empty: then they are taken batch by batch.
void find_pieces(RoundPart& part, base::ByteView data, std::int64_t arrival_ms) {
  MarkBuilder::Piece piece{.max_timestamp = INT64_MIN, .arrival_ms = arrival_ms};
  std::uint32_t whole = 0;
  std::size_t begin = 0;
  std::size_t at = 0;
  const auto finish = [&] {
    if (!data.empty()) piece.crc = base::crc32c(0, data.subspan(begin, at - begin));
    piece.bytes = at - begin;
    whole = part.pieces.empty() ? piece.crc : base::crc32c_combine(whole, piece.crc, piece.bytes);
    part.pieces.push_back(piece);
    begin = at;
    piece = {.max_timestamp = INT64_MIN, .arrival_ms = arrival_ms};
  };
  for (const auto& batch : part.group.batches) {
    if (data.empty()) piece.crc = at == begin ? crc_of(batch.bytes) : base::crc32c_combine(piece.crc, crc_of(batch.bytes), batch.bytes.size());
    at += batch.bytes.size();
    piece.next_offset = batch.next_offset;
    piece.max_timestamp = std::max(piece.max_timestamp, batch.max_timestamp);
    if (at - begin >= kMarkRangeBytes) finish();
  }
  if (at > begin) finish();
  part.part.data_crc = whole;
}

// Those that are not in their segment yet.
Status write_batches(const RoundPart& part) {
  std::uint64_t at = part.group.position;
  std::vector<base::ByteView> run;  // one behind the other, before `at`
  std::uint64_t bytes = 0;
  const auto write_run = [&]() -> Status {
    if (!run.empty()) BATON_TRY(part.file->write_at(at - bytes, run));
    run.clear();
    bytes = 0;
    return {};
  };
  for (const auto& batch : part.group.batches) {
    if (batch.written) {
      BATON_TRY(write_run());
    } else {
      run.emplace_back(batch.bytes);
      bytes += batch.bytes.size();
    }
    at += batch.bytes.size();
  }
  return write_run();
}

}  // namespace

void move_edge(base::Bytes& edge, const StagedGroup& group) {
  const std::uint64_t keep = (group.position + group.length) % kSectorBytes;
  if (keep > group.length) {  // no boundary was crossed
    for (const auto& batch : group.batches) base::put_bytes(edge, batch.bytes);
    return;
  }
  edge.resize(keep);
  std::size_t missing = keep;
  for (auto batch = group.batches.rbegin(); missing > 0; ++batch) {
    const std::size_t count = std::min(missing, batch->bytes.size());
    std::memcpy(edge.data() + missing - count, batch->bytes.data() + batch->bytes.size() - count, count);
    missing -= count;
  }
}

void RoundJob::run() {
  BATON_CHECK(!ran_, "a round is run once");
  ran_ = true;
  result_ = do_run();
}

Status RoundJob::do_run() {
  BATON_TRY(sync_directories());
  BATON_TRY(write_in_place());
  if (round_.begin_generation) BATON_TRY(begin_generation());
  if (round_.has_record) BATON_TRY(write_record());
  BATON_TRY(write_segments());
  return round_.sync ? journal_.sync() : Status();
}

// A segment's name is durable before a round counts that has bytes in it (F17).
Status RoundJob::sync_directories() {
  if (round_.new_directories.size() > kDirectoriesOneByOne) return fs_.sync_all(topics_directory(round_.directory));
  for (const auto& path : round_.new_directories) BATON_TRY(fs_.sync_directory(path));
  return {};
}

Status RoundJob::write_in_place() {
  for (auto& part : round_.parts) {
    if (!part.part.in_place()) continue;
    find_pieces(part, {}, round_.arrival_ms);
    BATON_TRY(part.direct ? write_direct(part) : write_batches(part));
  }
  for (auto& part : round_.parts) {
    if (part.part.in_place()) BATON_TRY(part.file->sync_data());
  }
  return {};
}

Status RoundJob::write_direct(const RoundPart& part) {
  std::vector<base::ByteView> batches;
  batches.reserve(part.group.batches.size());
  for (const auto& batch : part.group.batches) batches.emplace_back(batch.bytes);
  return direct_.write(*part.file, part.group.position, part.lead, batches);
}

Status RoundJob::begin_generation() {
  // The header of the next file will say that these rounds are in this one.
  if (round_.unsynced_before) BATON_TRY(journal_.sync());
  RecordFixed base = round_.fixed;
  base.round = Round(round_.fixed.round.value() - 1);
  base.durable_round = base.round;
  base.previous_crc = journal_.previous_crc();
  const auto begun = journal_.begin(journal_.generation() + 1, round_.fixed.round, base, round_.extents);
  if (!begun && begun.error().code == Code::no_space) return {};  // the current one goes on; refusals happen when batches are staged
  generation_begun_ = begun.ok();
  return begun;
}

Status RoundJob::write_record() {
  std::size_t count = 0;
  std::size_t total = kRecordFixedBytes;
  for (const auto& part : round_.parts) {
    if (!part.journalled) continue;
    ++count;
    total += kPartBytes + part.part.payload_bytes();
  }
  const std::size_t room = record_file_bytes(total);
  if (buffer_.size() < room) buffer_.resize(std::max(room, std::min(buffer_.size() * 2, std::size_t{1} << 20)));
  payload_at_.assign(round_.parts.size(), 0);
  std::byte* part_at = buffer_.data() + kRecordFixedBytes;
  std::size_t at = kRecordFixedBytes + count * kPartBytes;
  for (std::size_t i = 0; i < round_.parts.size(); ++i) {
    auto& part = round_.parts[i];
    if (!part.journalled) continue;
    if (part.part.in_place()) {
      if (!part.edge.empty()) std::memcpy(buffer_.data() + at, part.edge.data(), part.edge.size());
      at += part.edge.size();
    } else {
      payload_at_[i] = at;
      for (const auto& batch : part.group.batches) {
        std::memcpy(buffer_.data() + at, batch.bytes.data(), batch.bytes.size());
        at += batch.bytes.size();
      }
      find_pieces(part, base::ByteView(buffer_).subspan(payload_at_[i], part.group.length), round_.arrival_ms);
    }
    encode_part(part.part, part_at);
    part_at += kPartBytes;
  }
  BATON_CHECK(at == total, "a journal record is not as long as its parts");
  round_.fixed.part_count = static_cast<std::uint32_t>(count);
  BATON_TRY(journal_.append(round_.fixed, base::MutableByteView(buffer_).first(room), total, round_.reserved));
  if (round_.sync) journal_.start_sync();
  return {};
}

// Into the page cache, while the disk takes the record: the journal, or nothing at all, makes them durable. As long as no record says so, what is there is
// behind the end of its segment and counts for nothing.
Status RoundJob::write_segments() {
  for (std::size_t i = 0; i < round_.parts.size(); ++i) {
    auto& part = round_.parts[i];
    if (part.part.in_place()) continue;
    if (part.journalled) {
      BATON_TRY(part.file->write_at(part.group.position, base::ByteView(buffer_).subspan(payload_at_[i], part.group.length)));
    } else {
      find_pieces(part, {}, round_.arrival_ms);
      BATON_TRY(write_batches(part));
    }
  }
  return {};
}

}  // namespace baton::log
