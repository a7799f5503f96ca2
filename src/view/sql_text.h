// SQL as text: tokens, as far as views need them, and the parameters of a statement. A tokenizer and not a pattern, since what stands in
// strings, quoted names and comments is no parameter.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

namespace baton::view {

enum class TokenKind { word, quoted_name, string, number, parameter, semicolon, open, other, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t offset = 0;
  std::string_view text;  // as written
};

// Walks over SQL; white space and comments are passed over. The text must outlive it.
class Tokenizer {
 public:
  explicit Tokenizer(std::string_view sql) : sql_(sql) {}
  // invalid_argument when a string, name or comment does not end, or a parameter has no name.
  [[nodiscard]] Result<Token> next();

 private:
  void skip_blank(bool* open_comment);
  Result<Token> parameter(std::size_t start);
  [[nodiscard]] char at(std::size_t i) const { return i < sql_.size() ? sql_[i] : '\0'; }
  std::string_view sql_;
  std::size_t next_ = 0;
};

// Where a parameter's value comes from.
struct Parameter {
  enum class Source { field, envelope };
  Source source = Source::field;
  std::vector<std::string> path;  // of a field, at least one; of the envelope: its one name
  bool optional = false;          // a field that may be missing
  std::string written;            // ":address.city?"
};

struct PreparedText {
  std::string sql;                    // with ?1, ?2, ... in place of the parameters
  std::vector<Parameter> parameters;  // of ?1, ?2, ...; each different one once
};

// Replaces the parameters. invalid_argument for a parameter that views do not have, and for more than one statement.
[[nodiscard]] Result<PreparedText> number_parameters(std::string_view sql);

// The texts of the statements between semicolons, stripped; the bodies of triggers stay whole.
[[nodiscard]] Result<std::vector<std::string>> split_statements(std::string_view sql);

// The first word in capitals: "INSERT". Empty when it is not a word.
[[nodiscard]] std::string first_word(std::string_view sql);

// A word that stands where the value would not be a function of the event ("random", "CURRENT_TIMESTAMP"); empty when there is none.
[[nodiscard]] std::string impure_word(std::string_view sql);
// The same for one function, in lower case.
[[nodiscard]] bool is_impure_function(std::string_view name);

[[nodiscard]] std::string_view strip(std::string_view text);
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace baton::view
