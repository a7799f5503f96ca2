// Values of a map's fields: what a cell of a row became.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::cli {

enum class FieldType : std::uint8_t { string, integer, decimal, boolean, time };
[[nodiscard]] std::string_view type_name(FieldType type);

// A value of the row at hand; `text` points into that row, and lives until the next one is read.
struct Value {
  enum class Kind : std::uint8_t { null, omitted, boolean, integer, decimal, string, time, duration };
  Kind kind = Kind::null;
  std::int64_t number = 0;  // integer; boolean: 0 or 1; time: nanoseconds since 1970; duration: nanoseconds
  std::string_view text;    // string; decimal, as written

  [[nodiscard]] bool is_null() const { return kind == Kind::null || kind == Kind::omitted; }
  [[nodiscard]] bool is_true() const { return kind == Kind::boolean && number != 0; }
  static Value of_boolean(bool b) { return {Kind::boolean, b ? 1 : 0, {}}; }
  static Value of_integer(std::int64_t n) { return {Kind::integer, n, {}}; }
  static Value of_decimal(std::string_view written) { return {Kind::decimal, 0, written}; }
  static Value of_string(std::string_view text) { return {Kind::string, 0, text}; }
  static Value of_time(std::int64_t ns) { return {Kind::time, ns, {}}; }
  static Value of_duration(std::int64_t ns) { return {Kind::duration, ns, {}}; }
};

// A number as JSON writes it (RFC 8259, section 6), of at most 100 characters and with an exponent of at most three digits: what can be kept
// as it is written.
[[nodiscard]] bool is_decimal(std::string_view text);
// Digits with an optional '-', within 64 bits; leading zeros are fine.
[[nodiscard]] bool parse_integer(std::string_view text, std::int64_t& out);

// -1, 0, 1: of two integers or decimals, exactly.
[[nodiscard]] int compare_numbers(const Value& a, const Value& b);

// As in a template: a time is RFC 3339 in UTC. Nothing for null.
void put_text(std::string& out, const Value& value);
// As in data. Null for null.
void put_json(std::string& out, const Value& value);

}  // namespace baton::cli
