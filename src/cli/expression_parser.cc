// The grammar, one function a level; docs/formats/map.md has it in words.
//
//   or      := and { "or" and }
//   and     := not { "and" not }
//   not     := "not" not | test
//   test    := sum [ ("=" | "!=" | "<" | "<=" | ">" | ">=") sum | "is" ["not"] "null" | ["not"] "matches" string ]
//   sum     := product { ("+" | "-") product }
//   product := factor { "*" factor }
//   factor  := "-" factor | field | integer | decimal | duration | string | "true" | "false" | "(" or ")"
#include <utility>

#include "base/time.h"
#include "cli/expression.h"

namespace baton::cli {

namespace {

using Op = Expression::Op;
using Type = Expression::Type;

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string a(Type type) {
  static constexpr const char* kNames[] = {"a boolean", "an integer", "a decimal", "a string", "a time", "a duration"};
  return kNames[static_cast<std::size_t>(type)];
}

Type type_of(FieldType type) {
  switch (type) {
    case FieldType::string: return Type::string;
    case FieldType::integer: return Type::integer;
    case FieldType::decimal: return Type::decimal;
    case FieldType::boolean: return Type::boolean;
    case FieldType::time: return Type::time;
  }
  return Type::string;
}

std::int64_t unit_ns(std::string_view unit) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (unit == "ms") return kSecond / 1000;
  if (unit == "s") return kSecond;
  if (unit == "m") return 60 * kSecond;
  if (unit == "h") return 3600 * kSecond;
  if (unit == "d") return 86'400 * kSecond;
  return 0;
}

}  // namespace

// Errors are thrown as Error inside, and caught once in parse().
class ExpressionParser {
 public:
  ExpressionParser(std::string_view text, const FieldResolver& fields) : text_(text), fields_(fields) {}

  Expression run() {
    if (text_.size() > Expression::kBytesMax) fail(0, "an expression has at most 1,000 characters");
    next();
    out_.root_ = condition(logic_or());
    if (!token_.empty()) fail(at_, "'" + std::string(token_) + "' is not expected here");
    return std::move(out_);
  }

 private:
  using Number = std::uint32_t;

  [[noreturn]] static void fail(std::size_t at, const std::string& what) {
    throw Error{Code::invalid_argument, "character " + std::to_string(at + 1) + ": " + what};
  }

  // Words, numbers with their unit, quoted strings, and signs.
  void next() {
    at_ += token_.size();
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
    const auto rest = text_.substr(at_);
    std::size_t length = rest.empty() ? 0 : 1;
    if (!rest.empty() && is_name(rest[0])) {
      const bool number = is_digit(rest[0]);
      while (length < rest.size() && (is_name(rest[length]) || (number && rest[length] == '.'))) ++length;
    } else if (!rest.empty() && (rest[0] == '\'' || rest[0] == '"')) {
      const auto close = rest.find(rest[0], 1);
      if (close == std::string_view::npos) fail(at_, "the quote is not closed");
      length = close + 1;
    } else if (rest.starts_with("!=") || rest.starts_with("<=") || rest.starts_with(">=")) {
      length = 2;
    }
    token_ = rest.substr(0, length);
  }
  bool take(std::string_view token) {
    if (token_ != token) return false;
    next();
    return true;
  }
  Number add(Expression::Node node) {
    out_.nodes_.push_back(std::move(node));
    return static_cast<Number>(out_.nodes_.size() - 1);
  }
  Number add(Op op, Type type, std::size_t at, Number a, Number b = 0) { return add({.op = op, .type = type, .a = a, .b = b, .at = at}); }
  [[nodiscard]] const Expression::Node& node(Number n) const { return out_.nodes_[n]; }

  // Where a condition is wanted: a field of another type than boolean stands for 'is not null'.
  Number condition(Number n) {
    if (node(n).type == Type::boolean) return n;
    if (node(n).op != Op::field) fail(node(n).at, a(node(n).type) + " is no condition; compare it with something");
    const auto at = node(n).at;
    return add(Op::logic_not, Type::boolean, at, add(Op::is_null, Type::boolean, at, n));
  }

  Number logic_or() {
    if (++depth_ > Expression::kDepthMax) fail(at_, "more than 32 levels of parentheses");
    Number left = logic_and();
    for (auto at = at_; take("or"); at = at_) {
      left = condition(left);
      left = add(Op::logic_or, Type::boolean, at, left, condition(logic_and()));
    }
    --depth_;
    return left;
  }
  Number logic_and() {
    Number left = logic_not();
    for (auto at = at_; take("and"); at = at_) {
      left = condition(left);
      left = add(Op::logic_and, Type::boolean, at, left, condition(logic_not()));
    }
    return left;
  }
  Number logic_not() {
    const auto at = at_;
    std::size_t count = 0;
    while (take("not")) ++count;
    const Number inner = test();
    if (count == 0) return inner;
    const Number wanted = condition(inner);
    return count % 2 == 1 ? add(Op::logic_not, Type::boolean, at, wanted) : wanted;
  }

  Number test() {
    const Number left = sum();
    const auto at = at_;
    Number out = left;
    if (take("is")) {
      const bool no = take("not");
      if (!take("null")) fail(at_, "'is' is followed by 'null' or 'not null'");
      out = add(Op::is_null, Type::boolean, at, left);
      if (no) out = add(Op::logic_not, Type::boolean, at, out);
    } else if (token_ == "matches" || token_ == "not") {
      const bool no = take("not");
      if (!take("matches")) fail(at_, "'not' is followed by 'matches' here");
      if (node(left).type != Type::string) fail(at, "only a string can match, this is " + a(node(left).type));
      const Number pattern = factor();
      if (node(pattern).op != Op::constant || node(pattern).type != Type::string) fail(at, "'matches' is followed by a pattern in quotes");
      out = add(Op::matches, Type::boolean, at, left, pattern);
      if (no) out = add(Op::logic_not, Type::boolean, at, out);
    } else if (token_ == "=" || token_ == "!=" || token_ == "<" || token_ == "<=" || token_ == ">" || token_ == ">=") {
      out = comparison(left);
    }
    return out;
  }

  Number comparison(Number left) {
    const auto at = at_;
    const std::string sign(token_);
    next();
    Number right = sum();
    read_as_time(left, right);
    read_as_time(right, left);
    const auto number = [](Type t) { return t == Type::integer || t == Type::decimal; };
    const Type l = node(left).type, r = node(right).type;
    if (l != r && !(number(l) && number(r))) fail(at, a(l) + " and " + a(r) + " cannot be compared");
    if (l == Type::boolean && sign != "=" && sign != "!=") fail(at, "booleans are equal or not; there is no less");
    if (sign == "=") return add(Op::equal, Type::boolean, at, left, right);
    if (sign == "!=") return add(Op::logic_not, Type::boolean, at, add(Op::equal, Type::boolean, at, left, right));
    const Op op = sign == "<" || sign == ">" ? Op::less : Op::less_equal;
    if (sign[0] == '>') std::swap(left, right);
    return add(op, Type::boolean, at, left, right);
  }

  // A string in quotes beside a time is a time.
  void read_as_time(Number literal, Number other) {
    auto& constant = out_.nodes_[literal];
    if (constant.op != Op::constant || constant.type != Type::string || node(other).type != Type::time) return;
    const auto ns = base::parse_rfc3339_ns(constant.text);
    if (!ns) fail(constant.at, "'" + constant.text + "' is no time; write it with its offset, as \"2014-01-01T00:00:00Z\"");
    constant.type = Type::time;
    constant.value = Value::of_time(*ns);
    constant.text.clear();
  }

  Number sum() {
    Number left = product();
    while (token_ == "+" || token_ == "-") {
      const auto at = at_;
      const bool minus = token_ == "-";
      next();
      const Number right = product();
      left = add(minus ? Op::subtract : Op::add, sum_type(at, minus, node(left).type, node(right).type), at, left, right);
    }
    return left;
  }
  static Type sum_type(std::size_t at, bool minus, Type l, Type r) {
    if (l == Type::integer && r == Type::integer) return Type::integer;
    if (l == Type::duration && r == Type::duration) return Type::duration;
    if (l == Type::time && r == Type::duration) return Type::time;
    if (l == Type::time && r == Type::time && minus) return Type::duration;
    if (l == Type::duration && r == Type::time && !minus) return Type::time;
    fail(at, a(l) + (minus ? " minus " : " plus ") + a(r) + " has no meaning; integers, durations, and times with durations can be calculated with");
  }
  Number product() {
    Number left = factor();
    while (token_ == "*") {
      const auto at = at_;
      next();
      const Number right = factor();
      const Type l = node(left).type, r = node(right).type;
      const bool fine = (l == Type::integer && (r == Type::integer || r == Type::duration)) || (l == Type::duration && r == Type::integer);
      if (!fine) fail(at, a(l) + " times " + a(r) + " has no meaning; an integer times a duration has");
      left = add(Op::multiply, l == Type::duration || r == Type::duration ? Type::duration : Type::integer, at, left, right);
    }
    return left;
  }

  Number factor() {
    const auto at = at_;
    if (token_.empty()) fail(at, "the expression ends too early");
    if (token_ == "-") {
      if (++depth_ > Expression::kDepthMax) fail(at, "more than 32 levels of signs");
      next();
      const Number inner = factor();
      --depth_;
      if (auto& constant = out_.nodes_[inner]; constant.op == Op::constant && constant.type == Type::decimal) {
        constant.text = constant.text.starts_with('-') ? constant.text.substr(1) : "-" + constant.text;
        return inner;
      }
      const Type type = node(inner).type;
      if (type != Type::integer && type != Type::duration) fail(at, a(type) + " has no sign to change");
      return add(Op::subtract, type, at, add({.type = type, .at = at, .value = type == Type::integer ? Value::of_integer(0) : Value::of_duration(0)}), inner);
    }
    if (take("(")) {
      const Number inner = logic_or();
      if (!take(")")) fail(at_, "a ')' is missing");
      return inner;
    }
    const std::string_view token = token_;
    next();
    if (token[0] == '\'' || token[0] == '"')
      return add({.type = Type::string, .at = at, .value = Value::of_string({}), .text = std::string(token.substr(1, token.size() - 2))});
    if (is_digit(token[0])) return number(at, token);
    if (token == "true" || token == "false") return add({.type = Type::boolean, .at = at, .value = Value::of_boolean(token == "true")});
    if (!is_name(token[0])) fail(at, "'" + std::string(token) + "' is not expected here");
    const auto field = fields_(token);
    if (!field) fail(at, "there is no field '" + std::string(token) + "'");
    return add({.op = Op::field, .type = type_of(field->type), .a = static_cast<Number>(field->index), .at = at});
  }

  Number number(std::size_t at, std::string_view token) {
    std::size_t digits = 0;
    while (digits < token.size() && (is_digit(token[digits]) || token[digits] == '.')) ++digits;
    const auto written = token.substr(0, digits), unit = token.substr(digits);
    std::int64_t n = 0;
    const bool whole = parse_integer(written, n);
    if (!unit.empty()) {
      const auto ns = unit_ns(unit);
      if (ns == 0) fail(at, "'" + std::string(token) + "' is no duration; the units are ms, s, m, h and d");
      if (!whole || __builtin_mul_overflow(n, ns, &n)) fail(at, "'" + std::string(token) + "' is no duration: a whole number of at most 292 years");
      return add({.type = Type::duration, .at = at, .value = Value::of_duration(n)});
    }
    if (whole) return add({.type = Type::integer, .at = at, .value = Value::of_integer(n)});
    if (!is_decimal(written)) fail(at, "'" + std::string(token) + "' is no number");
    return add({.type = Type::decimal, .at = at, .value = Value::of_decimal({}), .text = std::string(written)});
  }

  std::string_view text_, token_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  const FieldResolver& fields_;
  Expression out_;
};

Result<Expression> Expression::parse(std::string_view text, const FieldResolver& fields) {
  try {
    return ExpressionParser(text, fields).run();
  } catch (Error& error) {
    return std::move(error);
  }
}

}  // namespace baton::cli
