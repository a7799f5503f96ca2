#include "cli/expression.h"

namespace baton::cli {

namespace {

using Op = Expression::Op;

Value arithmetic(Op op, Expression::Type type, const Value& a, const Value& b) {
  std::int64_t n = 0;
  const bool overflow = op == Op::add        ? __builtin_add_overflow(a.number, b.number, &n)
                        : op == Op::subtract ? __builtin_sub_overflow(a.number, b.number, &n)
                                             : __builtin_mul_overflow(a.number, b.number, &n);
  if (overflow) return {};
  switch (type) {
    case Expression::Type::time: return Value::of_time(n);
    case Expression::Type::duration: return Value::of_duration(n);
    default: return Value::of_integer(n);
  }
}

int compare(const Value& a, const Value& b) {
  if (a.kind == Value::Kind::string) return a.text.compare(b.text);
  if (a.kind == Value::Kind::integer || a.kind == Value::Kind::decimal) return compare_numbers(a, b);
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

// One character of a pattern against one of the text: its length in the pattern, 0 when it does not match.
std::size_t match_one(char c, std::string_view pattern) {
  if (pattern[0] == '?') return 1;
  const auto close = pattern[0] == '[' ? pattern.find(']', 1) : std::string_view::npos;
  if (close == std::string_view::npos) return pattern[0] == c ? 1 : 0;
  auto set = pattern.substr(1, close - 1);
  const bool none = set.starts_with('^');
  if (none) set.remove_prefix(1);
  bool in = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      const auto u = [](char x) { return static_cast<unsigned char>(x); };
      in = in || (u(set[i]) <= u(c) && u(c) <= u(set[i + 2]));
      i += 2;
    } else {
      in = in || set[i] == c;
    }
  }
  return in != none ? close + 1 : 0;
}

}  // namespace

bool matches_pattern(std::string_view text, std::string_view pattern) {
  // When a part behind a '*' does not fit, the star takes one character more; only the last star matters.
  std::size_t t = 0, p = 0, star = std::string_view::npos, from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      from = t;
      continue;
    }
    const auto length = p < pattern.size() ? match_one(text[t], pattern.substr(p)) : 0;
    if (length > 0) {
      p += length;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

Value Expression::evaluate(std::uint32_t number, std::span<const Value> fields) const {
  const Node& node = nodes_[number];
  if (node.op == Op::constant) {
    Value value = node.value;
    value.text = node.text;
    return value;
  }
  if (node.op == Op::field) return fields[node.a];
  const Value a = evaluate(node.a, fields);
  if (node.op == Op::is_null) return Value::of_boolean(a.is_null());
  if (node.op == Op::logic_not) return a.is_null() ? Value{} : Value::of_boolean(!a.is_true());
  if (node.op == Op::logic_and || node.op == Op::logic_or) {  // three values, as in SQL
    const bool decides = node.op == Op::logic_or;
    if (!a.is_null() && a.is_true() == decides) return Value::of_boolean(decides);
    const Value b = evaluate(node.b, fields);
    if (!b.is_null() && b.is_true() == decides) return Value::of_boolean(decides);
    return a.is_null() || b.is_null() ? Value{} : Value::of_boolean(!decides);
  }
  const Value b = evaluate(node.b, fields);
  if (a.is_null() || b.is_null()) return {};
  switch (node.op) {
    case Op::equal: return Value::of_boolean(compare(a, b) == 0);
    case Op::less: return Value::of_boolean(compare(a, b) < 0);
    case Op::less_equal: return Value::of_boolean(compare(a, b) <= 0);
    case Op::matches: return Value::of_boolean(matches_pattern(a.text, b.text));
    default: return arithmetic(node.op, node.type, a, b);
  }
}

}  // namespace baton::cli
