// Events: what is appended and what is read. The envelope is CloudEvents 1.0; docs/formats/event.md says how it is stored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <baton/result.h>

namespace baton {

// A moment: nanoseconds since 1970-01-01T00:00:00Z.
struct Time {
  std::int64_t ns = 0;
  friend bool operator==(Time a, Time b) { return a.ns == b.ns; }
  friend bool operator<(Time a, Time b) { return a.ns < b.ns; }
  // RFC 3339, with up to nine digits of fraction and an offset or Z ("2014-01-01T08:14:00Z"). invalid_argument otherwise.
  [[nodiscard]] static Result<Time> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // RFC 3339 in UTC, fraction only when there is one
};

// The place of an event in its context: opaque, printable, comparable only by the store. Exclusive wherever it is used: 'after
// this event'. An empty position is the beginning. Design rule 2; docs/formats/position.md.
struct Position {
  std::string token;
  [[nodiscard]] bool is_beginning() const { return token.empty(); }
  friend bool operator==(const Position& a, const Position& b) { return a.token == b.token; }
};

// One more attribute or transport header, kept byte for byte and in order. Names that start with `ce_` or `baton-` are refused.
struct Header {
  std::string name;
  std::string value;
};

// An event to be appended. Only `type` must be set. What is left empty is filled in by the store; what is given is kept.
struct NewEvent {
  std::string type;                      // past tense, "RideStarted"; 1..255 bytes
  std::string data;                      // the payload; JSON unless content_type says otherwise
  bool has_data = true;                  // false: no data at all (a null value)
  std::string id;                        // identity with stream and source; empty: a UUIDv7
  std::string source;                    // empty: the context's, "/contexts/<name>"
  std::string content_type = "application/json";
  std::optional<Time> time;              // when it happened (ce_time); empty: the append time
  std::string tenant;
  std::string correlation_id;            // empty: the request's, else the event's id
  std::string causation_id;
  std::string traceparent;               // W3C Trace Context
  std::string subject;
  std::vector<std::string> tags;         // "name:value"; at most 16 of at most 128 bytes
  std::vector<Header> headers;           // at most 64
};

// An event as read. Owns its bytes.
struct Event {
  std::string context;
  std::string stream;
  std::int64_t version = -1;             // -1: a system record (stream deleted or truncated)
  Position position;
  std::int64_t offset = 0;               // the Kafka offset, for people and tools
  std::int32_t partition = 0;
  Time recorded;                         // append time, milliseconds, monotone in the log
  Time time;                             // ce_time: when it happened
  std::string type;
  std::string id;
  std::string source;
  std::string content_type;
  bool has_data = true;
  std::string data;
  std::string tenant;
  std::string correlation_id;
  std::string causation_id;
  std::string traceparent;
  std::string subject;
  std::vector<std::string> tags;
  std::vector<Header> headers;
  // "deleted", or "truncated" (then `truncated_before` versions are hidden); empty for ordinary events.
  std::string system;
  std::int64_t truncated_before = 0;
};

// The same without copies, for scans: valid only inside the call that hands it out.
struct EventView {
  std::string_view context, stream;
  std::int64_t version = -1;
  std::int64_t offset = 0;
  std::int32_t partition = 0;
  std::int32_t epoch = 0;
  std::int64_t recorded_ms = 0;
  std::string_view time_text;            // ce_time as stored, RFC 3339
  std::string_view type, id, source, content_type;
  bool has_data = true;
  std::string_view data;
  std::string_view tenant, correlation_id, causation_id, traceparent, subject;
  const std::string_view* tags = nullptr;
  std::size_t tag_count = 0;
  std::string_view system;               // the value of `baton-system`, empty for ordinary events
  [[nodiscard]] Event to_event() const;  // a copy, with position and times made; headers are those of `raw_headers`
  struct RawHeader {
    std::string_view name;
    std::string_view value;
  };
  const RawHeader* raw_headers = nullptr;  // the other headers, in order
  std::size_t raw_header_count = 0;
  const void* position_context = nullptr;  // for position(): the reader's topic id
  [[nodiscard]] Position position() const;
};

}  // namespace baton
