// Expressions of a map's `when` and `checks`: comparisons and arithmetic over the fields of one row. docs/formats/map.md has the language.
//
// It calculates values and nothing else: no calls, no loops, no files; time and memory are bounded by the length of the text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "cli/map_value.h"

namespace baton::cli {

struct ExpressionField {
  std::size_t index = 0;
  FieldType type = FieldType::string;
};
// Of a name; nothing when there is no such field.
using FieldResolver = std::function<std::optional<ExpressionField>(std::string_view)>;

class Expression {
 public:
  // invalid_argument: `character 9: what`. Types are checked here, so that a row cannot break an expression.
  [[nodiscard]] static Result<Expression> parse(std::string_view text, const FieldResolver& fields);

  // Whether it is true of these values. What is unknown, because a value is null, is not true.
  [[nodiscard]] bool holds(std::span<const Value> fields) const { return evaluate(root_, fields).is_true(); }

  static constexpr std::size_t kBytesMax = 1000;
  static constexpr std::size_t kDepthMax = 32;

  enum class Op : std::uint8_t {
    constant, field, logic_or, logic_and, logic_not, is_null, equal, less, less_equal, matches, add, subtract, multiply
  };
  enum class Type : std::uint8_t { boolean, integer, decimal, string, time, duration };
  struct Node {
    Op op = Op::constant;
    Type type = Type::boolean;
    std::uint32_t a = 0, b = 0;      // operands; of a field its index
    std::size_t at = 0;              // in the text
    Value value;                     // of a constant; its text is in `text`
    std::string text;
  };

 private:
  friend class ExpressionParser;
  [[nodiscard]] Value evaluate(std::uint32_t node, std::span<const Value> fields) const;

  std::vector<Node> nodes_;
  std::uint32_t root_ = 0;
};

// `*` any text, `?` one character, `[a-z09]` one of a set, `[^...]` none of it; the whole text must match. Bytes, not letters, are compared
// outside ASCII. Takes at most text * pattern steps.
[[nodiscard]] bool matches_pattern(std::string_view text, std::string_view pattern);

}  // namespace baton::cli
