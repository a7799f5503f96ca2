// A round on its way to the disk (docs/formats/journal.md, "Order of a round").
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/direct_writer.h"
#include "log/journal.h"
#include "log/log.h"
#include "log/tail.h"

namespace baton::log {

// What of one partition goes to one segment, and what its marks need to know afterwards.
struct RoundPart {
  PartitionTail* tail = nullptr;   // for the owner, when the round has ended
  OpenSegment* segment = nullptr;  // likewise
  StagedGroup group;
  std::shared_ptr<os::File> file;
  JournalPart part;                // position, length, offsets; the job fills in data_crc
  bool journalled = true;          // false: `memory`
  base::Bytes edge;                // in place: the bytes from the last sector boundary to the end of the data
  bool direct = false;             // in place, past the page cache, and then
  base::Bytes lead;                // the bytes from the last sector boundary to the start of the data
  std::vector<MarkBuilder::Piece> pieces;  // filled in by the job
};

// All that the job needs, put together by the owner.
struct PendingRound {
  std::vector<RoundPart> parts;
  std::vector<std::string> new_directories;  // absolute; have names that are not durable yet
  std::string directory;                     // of the store
  bool has_record = false;                   // journalled parts, or an empty round
  bool sync = false;
  bool unsynced_before = false;              // rounds before this one are not durable yet
  bool begin_generation = false;
  std::vector<Extent> extents;               // then
  RecordFixed fixed;
  std::uint64_t reserved = 0;                // in the journal
  std::int64_t arrival_ms = 0;
};

class RoundJob final : public FlushJob {
 public:
  RoundJob(os::FileSystem& fs, Journal& journal, DirectWriter& direct, PendingRound round, base::Bytes buffer)
      : fs_(fs), journal_(journal), direct_(direct), round_(std::move(round)), buffer_(std::move(buffer)) {}
  void run() override;

  // For end_flush.
  [[nodiscard]] bool ran() const { return ran_; }
  [[nodiscard]] const Status& result() const { return result_; }
  [[nodiscard]] PendingRound& round() { return round_; }
  [[nodiscard]] bool generation_begun() const { return generation_begun_; }
  [[nodiscard]] base::Bytes take_buffer() { return std::move(buffer_); }

 private:
  [[nodiscard]] Status do_run();
  [[nodiscard]] Status sync_directories();
  [[nodiscard]] Status write_in_place();
  [[nodiscard]] Status write_direct(const RoundPart& part);
  [[nodiscard]] Status begin_generation();
  [[nodiscard]] Status write_record();
  [[nodiscard]] Status write_segments();

  os::FileSystem& fs_;
  Journal& journal_;
  DirectWriter& direct_;
  PendingRound round_;
  base::Bytes buffer_;
  std::vector<std::size_t> payload_at_;  // by part; 0: not in the buffer
  bool ran_ = false;
  bool generation_begun_ = false;
  Status result_;
};

// The most that a part adds to a record, besides its data.
inline constexpr std::uint64_t kPartOverheadBytes = kPartBytes + kSectorBytes;
inline constexpr std::uint64_t kRecordOverheadBytes = kRecordFixedBytes + kSectorBytes;

}  // namespace baton::log
