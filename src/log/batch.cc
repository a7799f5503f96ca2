// Grammar of a record (Kafka documentation, "Record"), all varints zigzag coded:
//
//   record := length varint | attributes i8 | timestamp_delta varlong | offset_delta varint |
//             key_length varint (-1: null) | key | value_length varint (-1: null) | value | header_count varint | header*
//   header := key_length varint | key | value_length varint (-1: null) | value
//
// The batch header's grammar is in docs/formats/segment.md.
#include "log/batch.h"

#include <algorithm>
#include <limits>

#include "base/crc32c.h"
#include "base/try.h"
#include "log/compression.h"

namespace baton::log {
namespace {

// Where the fields of the batch header are.
constexpr std::size_t kBaseOffsetAt = 0;
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kEpochAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kLastOffsetDeltaAt = 23;
constexpr std::size_t kBaseTimestampAt = 27;
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;
constexpr std::size_t kRecordCountAt = 57;

constexpr std::int32_t kBatchLengthMin = kBatchHeaderBytes - kBatchPrefixBytes;
constexpr std::int32_t kRecordLengthMin = 6;  // attributes, two deltas, key and value length, header count
constexpr std::size_t kHeaderBytesMin = 2;    // two lengths
constexpr std::int16_t kLogAppendTimeBit = 0x8;
constexpr std::int16_t kCodecAndTimeBits = 0xF;
constexpr std::int64_t kNoTimestamp = -1;           // what Kafka writes as base timestamp of an empty batch
constexpr std::size_t kRatioFreeBytes = 1u << 20;  // what a batch may always unpack to: as much as clients put into one by default

constexpr const char* kTooManyHeaders = "it has more headers than the limit headers_per_record_max allows";

Error corrupt_batch(std::int64_t base_offset, const std::string& what) {
  return Error{Code::corrupt, "record batch with base offset " + std::to_string(base_offset) + ": " + what};
}

// A length and that many bytes; -1: null. False: it does not fit.
bool read_nullable(base::Reader& in, std::optional<base::ByteView>& out) {
  const auto length = in.varint32();
  if (!length) return false;
  if (*length < 0) {
    out.reset();
    return *length == -1;
  }
  out = in.bytes(static_cast<std::uint32_t>(*length));
  return out.has_value();
}

bool read_header(base::Reader& in, HeaderView& out) {
  const auto length = in.varint32();
  if (!length || *length < 0) return false;
  const auto key = in.bytes(static_cast<std::uint32_t>(*length));
  if (!key) return false;
  out.key = base::as_text(*key);
  return read_nullable(in, out.value);
}

std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

// Takes one record from `in`. Returns null, or what is wrong with it; `out` is then half filled. The offset delta, which the
// caller has still to judge, is left in `delta`.
const char* read_record(base::Reader& in, const BatchHeader& batch, std::size_t headers_max, std::vector<HeaderView>& headers,
                        RecordView& out, std::int32_t& delta) {
  const std::byte* const start = in.rest().data();
  const auto length = in.varint32();
  if (!length) return "its length is cut off or too long";
  if (*length < kRecordLengthMin) return "its length is less than any record has";
  const auto body = in.bytes(static_cast<std::uint32_t>(*length));
  if (!body) return "its length reaches past the end of the batch";
  out.bytes = {start, body->data() + body->size()};

  base::Reader fields(*body);
  (void)fields.skip(1);  // attributes: unused in format v2
  const auto timestamp_delta = fields.varint64();
  if (!timestamp_delta) return "its timestamp delta is cut off or too long";
  const auto offset_delta = fields.varint32();
  if (!offset_delta) return "its offset delta is cut off or too long";
  if (!read_nullable(fields, out.key)) return "its key does not fit";
  if (!read_nullable(fields, out.value)) return "its value does not fit";

  const auto count = fields.varint32();
  if (!count || *count < 0) return "its header count is cut off or negative";
  const auto header_count = static_cast<std::size_t>(*count);
  if (header_count > fields.remaining() / kHeaderBytesMin) return "its header count is more than its bytes can hold";
  if (header_count > headers_max) return kTooManyHeaders;
  if (headers.size() < header_count) headers.resize(header_count);
  for (std::size_t i = 0; i < header_count; ++i) {
    if (!read_header(fields, headers[i])) return "a header does not fit";
  }
  if (!fields.empty()) return "it has bytes behind its last header";

  delta = *offset_delta;
  out.headers = std::span(headers).first(header_count);
  out.offset = batch.base_offset.plus(delta);
  out.client_timestamp = wrapping_add(batch.base_timestamp, *timestamp_delta);
  out.timestamp = batch.log_append_time() ? batch.max_timestamp : out.client_timestamp;
  return nullptr;
}

std::byte* write_bytes(std::byte* p, base::ByteView data) {
  if (!data.empty()) std::memcpy(p, data.data(), data.size());
  return p + data.size();
}

std::byte* write_nullable(std::byte* p, const std::optional<base::ByteView>& data) {
  if (!data) return base::write_varint(p, std::int32_t{-1});
  return write_bytes(base::write_varint(p, static_cast<std::int32_t>(data->size())), *data);
}

std::size_t sized_bytes(std::size_t size) { return base::varint_size(static_cast<std::int64_t>(size)) + size; }
std::size_t nullable_bytes(const std::optional<base::ByteView>& data) { return data ? sized_bytes(data->size()) : 1; }

void write_crc(base::MutableByteView batch) {
  base::store_be<std::uint32_t>(batch.data() + kCrcAt, base::crc32c(0, batch.subspan(kAttributesAt)));
}

// What the fields themselves say, before anything behind the header is looked at. Gaps are allowed, two records at one offset are not.
bool fields_fit(const BatchHeader& h) {
  const auto base = h.base_offset.value();
  const std::int64_t records_bytes = std::int64_t{h.batch_length} - kBatchLengthMin;
  return h.magic == 2 && records_bytes >= 0 && base >= 0 && (h.attributes & 0x7) <= static_cast<int>(Codec::zstd) &&
         h.record_count >= 0 && h.last_offset_delta >= 0 && h.record_count - std::int64_t{1} <= h.last_offset_delta &&
         base <= std::numeric_limits<std::int64_t>::max() - h.last_offset_delta - 1 &&
         (h.codec() != Codec::none || h.record_count <= records_bytes / (kRecordLengthMin + 1));
}

// Why they do not fit. Apart, so that a good header costs no text.
Error unfit_fields(const BatchHeader& h) {
  const auto base = h.base_offset.value();
  const auto say = [&](const std::string& what) { return corrupt_batch(base, what); };
  if (h.magic != 2) return say("magic is " + std::to_string(h.magic) + ", and only 2 is read");
  if (h.batch_length < kBatchLengthMin) {
    return say("batch_length is " + std::to_string(h.batch_length) + ", less than any batch has");
  }
  if (base < 0) return say("the base offset is negative");
  if ((h.attributes & 0x7) > static_cast<int>(Codec::zstd)) {
    return say("codec " + std::to_string(h.attributes & 0x7) + " is unknown");
  }
  const std::string counts =
      "record_count is " + std::to_string(h.record_count) + " and last_offset_delta " + std::to_string(h.last_offset_delta);
  if (h.record_count < 0 || h.last_offset_delta < 0) return say(counts + "; neither may be negative");
  if (h.record_count - std::int64_t{1} > h.last_offset_delta) return say(counts + ", which has no room for so many");
  if (h.codec() == Codec::none && h.record_count > (h.batch_length - kBatchLengthMin) / (kRecordLengthMin + 1)) {
    return say(counts + ", and so many records do not fit " + std::to_string(h.batch_length - kBatchLengthMin) + " bytes");
  }
  return say("its offsets do not fit 63 bits");
}

BatchHeader load_fields(const std::byte* p) {
  BatchHeader h;
  h.base_offset = Offset(base::load_be<std::int64_t>(p + kBaseOffsetAt));
  h.batch_length = base::load_be<std::int32_t>(p + kLengthAt);
  h.epoch = Epoch(base::load_be<std::int32_t>(p + kEpochAt));
  h.magic = base::load_be<std::int8_t>(p + kMagicAt);
  h.crc = base::load_be<std::uint32_t>(p + kCrcAt);
  h.attributes = base::load_be<std::int16_t>(p + kAttributesAt);
  h.last_offset_delta = base::load_be<std::int32_t>(p + kLastOffsetDeltaAt);
  h.base_timestamp = base::load_be<std::int64_t>(p + kBaseTimestampAt);
  h.max_timestamp = base::load_be<std::int64_t>(p + kMaxTimestampAt);
  h.producer_id = base::load_be<std::int64_t>(p + kProducerIdAt);
  h.producer_epoch = base::load_be<std::int16_t>(p + kProducerEpochAt);
  h.base_sequence = base::load_be<std::int32_t>(p + kBaseSequenceAt);
  h.record_count = base::load_be<std::int32_t>(p + kRecordCountAt);
  return h;
}

}  // namespace

Result<std::optional<std::size_t>> batch_size(base::ByteView bytes, std::size_t bytes_max) {
  if (bytes.size() < kBatchPrefixBytes) return std::optional<std::size_t>();
  const auto length = base::load_be<std::int32_t>(bytes.data() + kLengthAt);
  const auto base = base::load_be<std::int64_t>(bytes.data() + kBaseOffsetAt);
  if (length < kBatchLengthMin) {
    return corrupt_batch(base, "batch_length is " + std::to_string(length) + ", less than any batch has");
  }
  const std::size_t total = kBatchPrefixBytes + static_cast<std::size_t>(length);
  if (total > bytes_max) {
    return corrupt_batch(
        base, "it claims " + std::to_string(total) + " bytes, and at most " + std::to_string(bytes_max) + " are possible here");
  }
  return std::optional(total);
}

Result<BatchHeader> parse_batch_fields(base::ByteView start_of_batch) {
  if (start_of_batch.size() < kBatchHeaderBytes) {
    return Error{Code::corrupt, "record batch: " + std::to_string(start_of_batch.size()) + " bytes, and its header alone has " +
                                    std::to_string(kBatchHeaderBytes)};
  }
  const BatchHeader header = load_fields(start_of_batch.data());
  if (!fields_fit(header)) return unfit_fields(header);
  return header;
}

Result<BatchHeader> parse_batch_header(base::ByteView batch) {
  auto header = parse_batch_fields(batch);
  if (header && header->total_bytes() > batch.size()) {
    return corrupt_batch(header->base_offset.value(), "it has " + std::to_string(header->total_bytes()) + " bytes, and only " +
                                                          std::to_string(batch.size()) + " are there");
  }
  return header;
}

Result<BatchHeader> check_batch(base::ByteView batch) {
  auto header = parse_batch_header(batch);
  if (!header) return header;
  const auto crc = base::crc32c(0, batch.first(header->total_bytes()).subspan(kAttributesAt));
  if (crc != header->crc) {
    return corrupt_batch(header->base_offset.value(), "the CRC of its bytes is " + std::to_string(crc) +
                                                          ", and its header says " + std::to_string(header->crc));
  }
  return header;
}

Status RecordCursor::start(base::ByteView batch) {
  header_ = {};
  in_ = {};
  read_ = 0;
  last_delta_ = -1;
  if (!status_.ok()) status_ = {};
  auto header = parse_batch_header(batch);
  if (!header) {
    status_ = std::move(header).error();
    return status_;
  }
  const base::ByteView packed = batch.first(header->total_bytes()).subspan(kBatchHeaderBytes);
  if (header->codec() == Codec::none || (packed.empty() && header->record_count == 0)) {
    in_ = base::Reader(packed);
  } else {
    const std::size_t ratio_max = std::max<std::size_t>(limits_.ratio_max, 1);
    const std::size_t by_ratio =
        packed.size() > limits_.uncompressed_bytes_max / ratio_max ? limits_.uncompressed_bytes_max : packed.size() * ratio_max;
    const std::size_t bytes_max = std::min(limits_.uncompressed_bytes_max, std::max(kRatioFreeBytes, by_ratio));
    if (auto unpacked = decompress_into(header->codec(), packed, bytes_max, unpacked_); !unpacked) {
      status_ = Error{unpacked.error().code, "record batch with base offset " + std::to_string(header->base_offset.value()) +
                                                 ": " + unpacked.error().detail};
      return status_;
    }
    in_ = base::Reader(unpacked_);
  }
  header_ = *header;
  return {};
}

bool RecordCursor::next() {
  if (read_ == header_.record_count) {
    if (!in_.empty() && status_.ok()) {
      status_ = corrupt_batch(header_.base_offset.value(), std::to_string(in_.remaining()) + " bytes follow the last of its " +
                                                               std::to_string(read_) + " records, at byte " +
                                                               std::to_string(in_.offset()) + " of the records");
    }
    return false;
  }
  if (!status_.ok()) return false;
  std::int32_t delta = 0;
  if (const char* wrong = read_record(in_, header_, limits_.headers_per_record_max, headers_, record_, delta)) {
    return fail(wrong == kTooManyHeaders ? Code::too_large : Code::corrupt, wrong);
  }
  if (delta <= last_delta_) return fail(Code::corrupt, "its offset delta does not ascend");
  if (delta > header_.last_offset_delta) return fail(Code::corrupt, "its offset delta is above the batch's last_offset_delta");
  last_delta_ = delta;
  ++read_;
  return true;
}

bool RecordCursor::fail(Code code, const char* what) {
  status_ = Error{code, "record batch with base offset " + std::to_string(header_.base_offset.value()) + ": record " +
                            std::to_string(read_) + ", before byte " + std::to_string(in_.offset()) +
                            (header_.codec() == Codec::none ? " of the records: " : " of the unpacked records: ") + what};
  return false;
}

Status for_each_record(base::ByteView batch, const BatchLimits& limits, const std::function<Status(const RecordView&)>& visit) {
  RecordCursor cursor(limits);
  BATON_TRY(cursor.start(batch));
  while (cursor.next()) BATON_TRY(visit(cursor.record()));
  return cursor.status();
}

Result<std::optional<std::size_t>> record_size(base::ByteView bytes, std::size_t bytes_max) {
  base::Reader in(bytes);
  const auto length = in.varint32();
  if (!length) {
    if (bytes.size() < base::kMaxVarint32Bytes) return std::optional<std::size_t>();
    return Error{Code::corrupt, "record: its length is not a varint of 32 bits"};
  }
  if (*length < kRecordLengthMin) {
    return Error{Code::corrupt, "record: its length is " + std::to_string(*length) + ", less than any record has"};
  }
  const std::size_t total = in.offset() + static_cast<std::size_t>(*length);
  if (total > bytes_max) {
    return Error{Code::corrupt, "record: it claims " + std::to_string(total) + " bytes, and at most " +
                                    std::to_string(bytes_max) + " are possible here"};
  }
  return std::optional(total);
}

Result<RecordView> parse_record_at(base::ByteView bytes, const BatchHeader& header, std::size_t batch_offset,
                                   std::vector<HeaderView>& headers, const BatchLimits& limits) {
  base::Reader in(bytes);
  RecordView record;
  std::int32_t delta = 0;
  const char* wrong = nullptr;
  if (header.codec() != Codec::none) {
    wrong = "the batch is compressed, so that no record stands in it by itself";
  } else {
    wrong = read_record(in, header, limits.headers_per_record_max, headers, record, delta);
  }
  if (wrong == nullptr && (delta < 0 || delta > header.last_offset_delta)) wrong = "its offset delta is not one of the batch's";
  if (wrong == nullptr) return record;
  return Error{wrong == kTooManyHeaders ? Code::too_large : Code::corrupt,
               "record batch with base offset " + std::to_string(header.base_offset.value()) + ": the record at byte " +
                   std::to_string(batch_offset) + " of the batch: " + wrong};
}

void BatchBuilder::clear() {
  records_.clear();
  record_count_ = 0;
  last_delta_ = -1;
  base_timestamp_ = 0;
  max_timestamp_ = 0;
  ascending_ = true;
  fits_ = true;
}

void BatchBuilder::add(std::int64_t client_timestamp, std::optional<base::ByteView> key, std::optional<base::ByteView> value,
                       std::span<const HeaderInput> headers, std::int32_t offset_delta) {
  if (record_count_ == 0) {
    base_timestamp_ = client_timestamp;
    max_timestamp_ = client_timestamp;
  }
  const std::int32_t delta = offset_delta < 0 ? last_delta_ + 1 : offset_delta;
  ascending_ = ascending_ && delta > last_delta_;
  const auto timestamp_delta =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(client_timestamp) - static_cast<std::uint64_t>(base_timestamp_));

  const auto header_count = static_cast<std::int32_t>(headers.size());
  std::size_t length = 1 + base::varint_size(timestamp_delta) + base::varint_size(delta) + nullable_bytes(key) +
                       nullable_bytes(value) + base::varint_size(header_count);
  for (const auto& header : headers) length += sized_bytes(header.key.size()) + nullable_bytes(header.value);
  const std::size_t total = sized_bytes(length);
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() - kBatchLengthMin);
  fits_ = fits_ && total <= kMost - records_.size();
  if (!ascending_ || !fits_) return;  // finish() says so

  const std::size_t at = records_.size();
  records_.resize(at + total);
  std::byte* p = base::write_varint(records_.data() + at, static_cast<std::int32_t>(length));
  *p++ = std::byte{0};
  p = base::write_varint(p, timestamp_delta);
  p = base::write_varint(p, delta);
  p = write_nullable(p, key);
  p = write_nullable(p, value);
  p = base::write_varint(p, header_count);
  for (const auto& header : headers) {
    p = base::write_varint(p, static_cast<std::int32_t>(header.key.size()));
    p = write_bytes(p, base::as_bytes(header.key));
    p = write_nullable(p, header.value);
  }
  max_timestamp_ = std::max(max_timestamp_, client_timestamp);
  last_delta_ = delta;
  ++record_count_;
}

Result<base::Bytes> BatchBuilder::finish(std::int64_t append_timestamp, const BatchHeader& h) {
  if (!ascending_) {
    return Error{Code::invalid_argument, "record batch: the offset deltas given to add() do not ascend after record " +
                                             std::to_string(record_count_ - 1)};
  }
  const bool empty = record_count_ == 0;
  const Codec codec = empty ? Codec::none : codec_;
  base::Bytes packed;
  if (fits_ && codec != Codec::none) {
    BATON_TRY_ASSIGN(packed, compress(codec, records_));
  }
  const base::ByteView records = codec == Codec::none ? records_ : packed;
  if (!fits_ || records.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max() - kBatchLengthMin)) {
    return Error{Code::too_large, "record batch: its records have more than 2 GiB, which the format cannot say"};
  }
  const bool append_time = append_timestamp >= 0;
  const std::int64_t base_timestamp = empty ? kNoTimestamp : base_timestamp_;
  const std::int64_t max_timestamp = append_time ? append_timestamp : !empty ? max_timestamp_ : h.max_timestamp;
  const int attributes = (h.attributes & ~kCodecAndTimeBits) | static_cast<int>(codec) | (append_time ? kLogAppendTimeBit : 0);

  base::Bytes batch;
  batch.reserve(kBatchHeaderBytes + records.size());
  batch.resize(kBatchHeaderBytes);
  std::byte* const p = batch.data();
  base::store_be<std::int32_t>(p + kLengthAt, kBatchLengthMin + static_cast<std::int32_t>(records.size()));
  p[kMagicAt] = std::byte{2};
  base::store_be<std::int16_t>(p + kAttributesAt, static_cast<std::int16_t>(attributes));
  base::store_be<std::int32_t>(p + kLastOffsetDeltaAt, std::max({last_delta_, h.last_offset_delta, std::int32_t{0}}));
  base::store_be<std::int64_t>(p + kBaseTimestampAt, base_timestamp);
  base::store_be<std::int64_t>(p + kMaxTimestampAt, max_timestamp);
  base::store_be<std::int64_t>(p + kProducerIdAt, h.producer_id);
  base::store_be<std::int16_t>(p + kProducerEpochAt, h.producer_epoch);
  base::store_be<std::int32_t>(p + kBaseSequenceAt, h.base_sequence);
  base::store_be<std::int32_t>(p + kRecordCountAt, record_count_);
  base::put_bytes(batch, records);
  write_crc(batch);
  return batch;
}

void stamp_batch(base::MutableByteView batch, Offset base_offset, Epoch epoch) {
  base::store_be<std::int64_t>(batch.data() + kBaseOffsetAt, base_offset.value());
  base::store_be<std::int32_t>(batch.data() + kEpochAt, epoch.value());
}

void stamp_append_time(base::MutableByteView batch, std::int64_t append_ms) {
  const auto attributes = base::load_be<std::int16_t>(batch.data() + kAttributesAt);
  base::store_be<std::int16_t>(batch.data() + kAttributesAt, static_cast<std::int16_t>(attributes | kLogAppendTimeBit));
  base::store_be<std::int64_t>(batch.data() + kMaxTimestampAt, append_ms);
  write_crc(batch);
}

}  // namespace baton::log
