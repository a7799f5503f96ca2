// Kafka record batches, format v2 (Kafka documentation, "Record Batch" and "Record"): parse, check, build.
//
// A batch on the wire and a batch in a segment are the same bytes. Views point into the caller's buffer and live as long as it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"
#include "base/varint.h"
#include "log/types.h"

namespace baton::log {

inline constexpr std::size_t kBatchHeaderBytes = 61;
inline constexpr std::size_t kBatchPrefixBytes = 12;          // base_offset + batch_length: what must be there to know the size
inline constexpr std::size_t kBatchCrcAt = 17;                // where a batch has its CRC
inline constexpr std::size_t kEventBatchBytesMax = 1u << 20;  // of one append: design rule 5
// Of the events of one batch of a Kafka client, which grow by what is added to each: a full batch of its default size (1 MB) of small records must fit.
inline constexpr std::size_t kProducedBatchBytesMax = 16u << 20;
inline constexpr std::size_t kStoredBatchBytesMax = 512u << 20;  // of a batch that is there, whatever its topic's setting is by now

struct BatchHeader {
  Offset base_offset;
  std::int32_t batch_length = 0;  // bytes after this field
  Epoch epoch;                    // partition_leader_epoch
  std::int8_t magic = 2;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp = 0;  // ms since 1970
  std::int64_t max_timestamp = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t record_count = 0;

  [[nodiscard]] std::size_t total_bytes() const { return kBatchPrefixBytes + static_cast<std::size_t>(batch_length); }
  [[nodiscard]] Offset last_offset() const { return base_offset.plus(last_offset_delta); }
  [[nodiscard]] Offset next_offset() const { return base_offset.plus(last_offset_delta + std::int64_t{1}); }
  [[nodiscard]] Codec codec() const { return static_cast<Codec>(attributes & 0x7); }
  [[nodiscard]] bool log_append_time() const { return (attributes & 0x8) != 0; }
  [[nodiscard]] bool transactional() const { return (attributes & 0x10) != 0; }
  [[nodiscard]] bool control() const { return (attributes & 0x20) != 0; }
};

// The total size of the batch that starts at `bytes`, from its first 12 bytes. nullopt: too few bytes to tell.
// corrupt: a length that no batch can have (< 49, or above `bytes_max`).
[[nodiscard]] Result<std::optional<std::size_t>> batch_size(base::ByteView bytes, std::size_t bytes_max);

// Parses the header of a batch that is there in full; bytes behind the batch are not looked at, here and below. corrupt: too
// short, wrong magic, an unknown codec, counts that do not fit.
[[nodiscard]] Result<BatchHeader> parse_batch_header(base::ByteView batch);
// The same from the first 61 bytes alone, for a caller that reads one record of the batch.
[[nodiscard]] Result<BatchHeader> parse_batch_fields(base::ByteView start_of_batch);
// parse_batch_header, and the CRC over attributes..end.
[[nodiscard]] Result<BatchHeader> check_batch(base::ByteView batch);

struct HeaderView {
  std::string_view key;
  std::optional<base::ByteView> value;  // nullopt: null
};

// One record of a batch. `headers` is a reused buffer of the iterator: valid until the next record. The other views point into the
// batch, or, when it was compressed, into the iterator's buffer.
struct RecordView {
  Offset offset;
  std::int64_t timestamp = 0;         // the batch's max_timestamp with LogAppendTime
  std::int64_t client_timestamp = 0;  // base_timestamp + delta
  std::optional<base::ByteView> key;
  std::optional<base::ByteView> value;
  std::span<const HeaderView> headers;
  base::ByteView bytes;  // the record as it stands, its length prefix included
};

struct BatchLimits {
  std::size_t uncompressed_bytes_max = 64u << 20;  // S16: what a batch may unpack to
  std::size_t ratio_max = 2048;                    // S16: unpacked / packed, for batches over 1 MiB unpacked; only zstd can do more
  std::size_t headers_per_record_max = 256;
};

// Walks the records of a batch without an allocation per record. Keep one and start() it on batch after batch: it keeps its memory.
//
//   RecordCursor cursor;
//   BATON_TRY(cursor.start(batch));
//   while (cursor.next()) use(cursor.record());
//   BATON_TRY(cursor.status());
class RecordCursor {
 public:
  explicit RecordCursor(const BatchLimits& limits = {}) : limits_(limits) {}
  // Stands before the first record of `batch`, whose bytes must outlive the walk. Unpacks, with the limits, when the batch is
  // compressed. Does not check the CRC (check_batch). corrupt, too_large.
  [[nodiscard]] Status start(base::ByteView batch);
  // Moves to the next record. False behind the last one, and when the record is bad: then status() has the error.
  [[nodiscard]] bool next();
  [[nodiscard]] const RecordView& record() const { return record_; }
  [[nodiscard]] const BatchHeader& header() const { return header_; }
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  bool fail(Code code, const char* what);

  BatchLimits limits_;
  BatchHeader header_;
  RecordView record_;
  std::vector<HeaderView> headers_;
  base::Bytes unpacked_;
  base::Reader in_;  // over the records, unpacked
  std::int32_t read_ = 0;
  std::int32_t last_delta_ = -1;
  Status status_;
};

// Calls `visit` for each record, in order, until it returns an error, which is handed back. Decompresses when needed, with the
// limits. Checks every length against the bytes that are there; ends exactly at the end of the batch or reports corrupt.
// Does not check the CRC (check_batch).
[[nodiscard]] Status for_each_record(base::ByteView batch, const BatchLimits& limits,
                                     const std::function<Status(const RecordView&)>& visit);

// The size of the record that starts at `bytes`, its length prefix included. nullopt: too few bytes to tell (5 always suffice).
// corrupt: a size that no record can have, or above `bytes_max`.
[[nodiscard]] Result<std::optional<std::size_t>> record_size(base::ByteView bytes, std::size_t bytes_max);

// Parses the one record that starts at `bytes` (more may follow) in a batch that is not compressed; an index entry names such a
// place. `headers` is the memory behind the view's headers. `batch_offset` is the record's distance from the start of its batch,
// for the text of an error. corrupt; too_large for too many headers.
[[nodiscard]] Result<RecordView> parse_record_at(base::ByteView bytes, const BatchHeader& header, std::size_t batch_offset,
                                                 std::vector<HeaderView>& headers, const BatchLimits& limits = {});

struct HeaderInput {
  std::string_view key;
  std::optional<base::ByteView> value;
};

// Builds one batch. Reusable: clear() keeps the memory. Not thread-safe.
class BatchBuilder {
 public:
  explicit BatchBuilder(Codec codec = Codec::none) : codec_(codec) {}
  void clear();
  void set_codec(Codec codec) { codec_ = codec; }
  // Adds a record; `offset_delta` ascends (gaps allowed); -1: the next one. `client_timestamp` in ms.
  void add(std::int64_t client_timestamp, std::optional<base::ByteView> key, std::optional<base::ByteView> value,
           std::span<const HeaderInput> headers, std::int32_t offset_delta = -1);
  [[nodiscard]] std::int32_t record_count() const { return record_count_; }
  [[nodiscard]] std::size_t bytes() const { return kBatchHeaderBytes + records_.size(); }  // before compression
  // The finished batch with base offset and epoch 0 (the log sets both: they lie outside the CRC). append_timestamp >= 0 sets
  // LogAppendTime with that max_timestamp. `h` gives producer fields, extra attribute bits, and a last_offset_delta above the last
  // record's when records behind it were dropped. An empty batch is allowed (last_offset_delta from h, and max_timestamp
  // when append_timestamp < 0). base_timestamp is the first record's, as Kafka has it. The builder keeps its records until clear().
  // invalid_argument: deltas that do not ascend. too_large: 2 GiB.
  [[nodiscard]] Result<base::Bytes> finish(std::int64_t append_timestamp, const BatchHeader& h = {});

 private:
  Codec codec_;
  base::Bytes records_;
  std::int32_t record_count_ = 0;
  std::int32_t last_delta_ = -1;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
  bool ascending_ = true;
  bool fits_ = true;
};

// Sets base offset and epoch of a finished batch in place (both lie outside the CRC).
void stamp_batch(base::MutableByteView batch, Offset base_offset, Epoch epoch);

// LogAppendTime is under the CRC: of exactly one finished batch, sets attribute bit 3 and max_timestamp and computes the CRC again.
void stamp_append_time(base::MutableByteView batch, std::int64_t append_ms);

}  // namespace baton::log
