// Records of Kafka as text: a JSON object a line, that gives back every byte, or a line that is the value, perhaps with a key before it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

namespace baton::cli {

// Nothing is not the same as empty: a record without a value is a tombstone.
struct RecordHeader {
  std::string name;
  std::optional<std::string> value;
};

struct KafkaRecord {
  std::optional<std::string> key, value;
  std::vector<RecordHeader> headers;
  std::optional<std::int32_t> partition;
  std::optional<std::int64_t> timestamp_ms;
};

// Where a record stood, for those that were consumed.
struct RecordPlace {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  bool broker_time = false;  // the timestamp is the broker's, not the producer's
};

// {"topic":"t","partition":0,"offset":7,"timestamp":"2026-01-02T03:04:05.678Z","key":"k","value":"v","headers":[{"name":"n","value":"v"}]}
// What is not UTF-8 stands in key_base64, value_base64, name_base64 instead. A time that RFC 3339 cannot write is a number of milliseconds.
void put_json_record(std::string& out, const RecordPlace& place, const KafkaRecord& record);

// The same, read: all keys may be missing; topic, offset and timestamp_type are passed over; a value (or key) that is neither a string nor
// null is sent as its JSON text. invalid_argument names the key.
[[nodiscard]] Result<KafkaRecord> parse_json_record(std::string_view line);

struct LineFormat {
  std::string key_separator;             // none: the line is the value
  std::optional<std::string> null_text;  // a key or value that is this is none
};
[[nodiscard]] Result<KafkaRecord> parse_text_record(std::string_view line, const LineFormat& format);

// "name=value", split at the first '='. invalid_argument names `option`.
[[nodiscard]] Result<std::pair<std::string, std::string>> parse_pair(const std::string& text, std::string_view option);

// What a shell can hardly pass: \t, \n, \0, \\ and \xHH.
[[nodiscard]] Result<std::string> unescape(std::string_view text);

}  // namespace baton::cli
