// For tests and fuzz targets of batches: records that own their bytes, and batches put together by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/crc32c.h"
#include "log/batch.h"
#include "log/compression.h"

namespace baton::log {

struct OwnedRecord {
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;
  std::int64_t client_timestamp = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  friend bool operator==(const OwnedRecord&, const OwnedRecord&) = default;
};

inline std::optional<std::string> own(const std::optional<base::ByteView>& bytes) {
  return bytes ? std::optional(std::string(base::as_text(*bytes))) : std::nullopt;
}

inline OwnedRecord own(const RecordView& r) {
  OwnedRecord out{r.offset.value(), r.timestamp, r.client_timestamp, own(r.key), own(r.value), {}};
  for (const auto& header : r.headers) out.headers.emplace_back(header.key, own(header.value));
  return out;
}

// All records of a batch that is known to be good.
inline std::vector<OwnedRecord> records_of(base::ByteView batch) {
  std::vector<OwnedRecord> out;
  const auto status = for_each_record(batch, {}, [&](const RecordView& r) {
    out.push_back(own(r));
    return Status();
  });
  BATON_CHECK(status.ok(), status.error().to_string());
  return out;
}

inline void add(BatchBuilder& builder, const OwnedRecord& r, std::int32_t delta) {
  const auto view = [](const std::optional<std::string>& s) { return s ? std::optional(base::as_bytes(*s)) : std::nullopt; };
  std::vector<HeaderInput> headers;
  for (const auto& [key, value] : r.headers) headers.push_back({key, view(value)});
  builder.add(r.client_timestamp, view(r.key), view(r.value), headers, delta);
}

// Makes length and CRC fit what a test has done to a batch.
inline void reseal(base::Bytes& batch) {
  base::store_be<std::int32_t>(batch.data() + 8, static_cast<std::int32_t>(batch.size() - kBatchPrefixBytes));
  base::store_be<std::uint32_t>(batch.data() + 17, base::crc32c(0, base::ByteView(batch).subspan(21)));
}

}  // namespace baton::log
