#include "cli/map_value.h"

#include <algorithm>
#include <charconv>

#include "base/time.h"
#include "cli/output.h"

namespace baton::cli {

namespace {

constexpr std::size_t kDecimalCharsMax = 100;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A decimal taken apart: 0.d1d2d3... * 10^exponent, without zeros at either end. No digits: zero.
struct Digits {
  bool negative = false;
  std::string digits;
  std::int64_t exponent = 0;
};

Digits digits_of(std::string_view text) {
  Digits out;
  if (text.starts_with('-')) out.negative = true, text.remove_prefix(1);
  std::int64_t written_exponent = 0;
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    auto digits = text.substr(e + 1);
    if (digits.starts_with('+')) digits.remove_prefix(1);
    std::from_chars(digits.data(), digits.data() + digits.size(), written_exponent);
    text = text.substr(0, e);
  }
  const auto point = std::min(text.find('.'), text.size());
  out.exponent = static_cast<std::int64_t>(point) + written_exponent;
  for (const char c : text)
    if (c != '.') out.digits.push_back(c);
  const auto zeros = std::min(out.digits.find_first_not_of('0'), out.digits.size());
  out.digits.erase(0, zeros);
  out.exponent -= static_cast<std::int64_t>(zeros);
  while (out.digits.ends_with('0')) out.digits.pop_back();
  if (out.digits.empty()) return {};
  return out;
}

int sign(std::int64_t n) { return n < 0 ? -1 : n > 0 ? 1 : 0; }

int compare(const Digits& a, const Digits& b) {
  if (a.digits.empty() || b.digits.empty()) return a.digits.empty() ? (b.digits.empty() ? 0 : b.negative ? 1 : -1) : (a.negative ? -1 : 1);
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  const int size = a.exponent != b.exponent ? sign(a.exponent - b.exponent) : sign(a.digits.compare(b.digits));
  return a.negative ? -size : size;
}

}  // namespace

std::string_view type_name(FieldType type) {
  switch (type) {
    case FieldType::string: return "string";
    case FieldType::integer: return "integer";
    case FieldType::decimal: return "decimal";
    case FieldType::boolean: return "boolean";
    case FieldType::time: return "time";
  }
  return "string";
}

bool is_decimal(std::string_view text) {
  if (text.size() > kDecimalCharsMax) return false;
  std::size_t at = 0;
  const auto digits = [&] {
    const auto start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - start;
  };
  if (text.starts_with('-')) ++at;
  const auto first = at;
  const auto whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const auto length = digits();
    if (length == 0 || length > 3) return false;
  }
  return at == text.size();
}

bool parse_integer(std::string_view text, std::int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.kind == Value::Kind::integer && b.kind == Value::Kind::integer) return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
  const auto digits = [](const Value& v) { return v.kind == Value::Kind::integer ? digits_of(std::to_string(v.number)) : digits_of(v.text); };
  return compare(digits(a), digits(b));
}

void put_text(std::string& out, const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
    case Value::Kind::omitted: return;
    case Value::Kind::boolean: out += value.number != 0 ? "true" : "false"; return;
    case Value::Kind::integer:
    case Value::Kind::duration: {
      char digits[24];
      out.append(digits, std::to_chars(digits, digits + sizeof digits, value.number).ptr);
      return;
    }
    case Value::Kind::decimal:
    case Value::Kind::string: out += value.text; return;
    case Value::Kind::time: out += base::format_rfc3339_ns(value.number); return;
  }
}

void put_json(std::string& out, const Value& value) {
  switch (value.kind) {
    case Value::Kind::null:
    case Value::Kind::omitted: out += "null"; return;
    case Value::Kind::string: put_json_string(out, value.text); return;
    case Value::Kind::time:
      out += '"';
      put_text(out, value);
      out += '"';
      return;
    default: put_text(out, value); return;
  }
}

}  // namespace baton::cli
