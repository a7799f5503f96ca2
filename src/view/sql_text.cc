#include "view/sql_text.h"

#include <algorithm>
#include <array>

#include "base/suggest.h"
#include "base/try.h"

namespace baton::view {
namespace {

constexpr std::size_t kParametersMax = 256;
constexpr std::size_t kPathDepthMax = 32;
constexpr std::array<std::string_view, 16> kEnvelope = {
    "id",      "type",   "source",    "subject", "stream",   "tenant",  "correlation", "causation",
    "version", "offset", "partition", "time",    "recorded", "time_ms", "recorded_ms", "position"};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_name(char c) { return is_name_start(c) || is_digit(c); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

Error bad(std::string detail) { return {Code::invalid_argument, std::move(detail)}; }

// The path in ":a.b.0" without the colon and the question mark. The tokenizer has seen that it is well formed.
std::vector<std::string> parse_path(std::string_view text) {
  std::vector<std::string> path;
  std::size_t i = 0;
  while (i < text.size()) {
    std::string part;
    if (text[i] == '"') {
      for (++i; i < text.size(); ++i) {
        if (text[i] == '"') {
          if (i + 1 >= text.size() || text[i + 1] != '"') break;
          ++i;
        }
        part += text[i];
      }
      ++i;
    } else {
      while (i < text.size() && text[i] != '.') part += text[i++];
    }
    path.push_back(std::move(part));
    ++i;  // the dot
  }
  return path;
}

}  // namespace

std::string_view strip(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

void Tokenizer::skip_blank(bool* open_comment) {
  *open_comment = false;
  while (next_ < sql_.size()) {
    if (is_space(sql_[next_])) {
      ++next_;
    } else if (sql_[next_] == '-' && at(next_ + 1) == '-') {
      next_ = std::min(sql_.find('\n', next_), sql_.size());
    } else if (sql_[next_] == '/' && at(next_ + 1) == '*') {
      const auto close = sql_.find("*/", next_ + 2);
      *open_comment = close == std::string_view::npos;
      if (*open_comment) return;
      next_ = close + 2;
    } else {
      return;
    }
  }
}

Result<Token> Tokenizer::next() {
  bool open_comment = false;
  skip_blank(&open_comment);
  if (open_comment) return bad("a comment that begins with /* does not end");
  const std::size_t start = next_;
  const auto token = [&](TokenKind kind) { return Token{kind, start, sql_.substr(start, next_ - start)}; };
  if (start >= sql_.size()) return token(TokenKind::end);
  const char c = sql_[start];
  if (c == '\0') return bad("the SQL holds a zero byte");
  if (c == '\'' || c == '"' || c == '`' || c == '[') {
    const char close = c == '[' ? ']' : c;
    for (++next_;; ++next_) {
      if (next_ >= sql_.size()) return bad(std::string("a ") + c + " is not closed");
      if (sql_[next_] != close) continue;
      if (close == ']' || at(next_ + 1) != close) break;
      ++next_;  // doubled: a part of the text
    }
    ++next_;
    return token(c == '\'' ? TokenKind::string : TokenKind::quoted_name);
  }
  if (is_name_start(c)) {
    while (is_name(at(next_)) || at(next_) == '$') ++next_;
    return token(TokenKind::word);
  }
  if (is_digit(c) || (c == '.' && is_digit(at(start + 1)))) {
    while (is_name(at(next_)) || at(next_) == '.' ||
           ((at(next_) == '+' || at(next_) == '-') && lower(at(next_ - 1)) == 'e' && lower(at(start + 1)) != 'x')) {
      ++next_;
    }
    return token(TokenKind::number);
  }
  if (c == ':' || c == '@' || c == '$' || c == '?' || c == '#') return parameter(start);
  ++next_;
  if (c == ';') return token(TokenKind::semicolon);
  return token(c == '(' ? TokenKind::open : TokenKind::other);
}

Result<Token> Tokenizer::parameter(std::size_t start) {
  const char c = sql_[start];
  ++next_;
  if (c == ':') {
    while (true) {
      if (at(next_) == '"') {
        const std::size_t open = next_;
        for (++next_;; ++next_) {
          if (next_ >= sql_.size()) return bad("the name in double quotes after ':' is not closed");
          if (sql_[next_] != '"') continue;
          if (at(next_ + 1) != '"') break;
          ++next_;
        }
        ++next_;
        if (next_ - open == 2) return bad("a name after ':' is empty");
      } else if (is_name(at(next_))) {
        while (is_name(at(next_))) ++next_;
      } else {
        return bad("a ':' must be followed by a field's name, as in :bike, :address.city or :lines.0.sku");
      }
      if (at(next_) != '.') break;
      ++next_;
    }
    if (at(next_) == '?') ++next_;
  } else {
    while (is_name(at(next_))) ++next_;
  }
  return Token{TokenKind::parameter, start, sql_.substr(start, next_ - start)};
}

Result<PreparedText> number_parameters(std::string_view sql) {
  PreparedText out;
  Tokenizer tokens(sql);
  std::size_t copied = 0;
  while (true) {
    BATON_TRY_ASSIGN(const Token token, tokens.next());
    if (token.kind == TokenKind::semicolon) {
      BATON_TRY_ASSIGN(const Token after, tokens.next());
      if (after.kind != TokenKind::end) return bad("more than one statement: make it a list");
      out.sql += sql.substr(copied, token.offset - copied);
      return out;
    }
    if (token.kind == TokenKind::end) break;
    if (token.kind != TokenKind::parameter) continue;
    const std::string written(token.text);
    Parameter parameter{.written = written};
    if (written.front() == ':') {
      parameter.optional = written.back() == '?';
      parameter.path = parse_path(std::string_view(written).substr(1, written.size() - 1 - (parameter.optional ? 1 : 0)));
      if (parameter.path.size() > kPathDepthMax)
        return bad(written + ": more than " + std::to_string(kPathDepthMax) + " levels");
    } else if (written.front() == '@') {
      const std::string name = written.substr(1);
      if (name != "data" && std::ranges::find(kEnvelope, name) == kEnvelope.end()) {
        std::vector<std::string> known(kEnvelope.begin(), kEnvelope.end());
        known.emplace_back("data");
        return bad(written + " is not a part of the envelope: " + base::suggest(name, known) +
                   "; a field of the data is written :field");
      }
      parameter.source = Parameter::Source::envelope;
      parameter.path = {name};
    } else {
      return bad("'" + written + "' is not a parameter of views: write :field for the data and @name for the envelope");
    }
    auto found = std::ranges::find(out.parameters, written, &Parameter::written);
    if (found == out.parameters.end()) {
      if (out.parameters.size() == kParametersMax) {
        return bad("more than " + std::to_string(kParametersMax) + " different parameters in one statement");
      }
      out.parameters.push_back(std::move(parameter));
      found = out.parameters.end() - 1;
    }
    out.sql += sql.substr(copied, token.offset - copied);
    out.sql += "?" + std::to_string(found - out.parameters.begin() + 1);
    copied = token.offset + token.text.size();
    // "?1" must not run into what follows.
    if (copied < sql.size() && is_name(sql[copied])) out.sql += ' ';
  }
  out.sql += sql.substr(copied);
  return out;
}

Result<std::vector<std::string>> split_statements(std::string_view sql) {
  std::vector<std::string> out;
  Tokenizer tokens(sql);
  std::size_t start = 0;
  std::size_t words = 0;  // of this statement
  bool trigger = false;   // CREATE TRIGGER: ends at the END that is no CASE's
  int depth = 0;
  bool any = false;
  while (true) {
    BATON_TRY_ASSIGN(const Token token, tokens.next());
    const bool ends = token.kind == TokenKind::end || (token.kind == TokenKind::semicolon && depth == 0);
    if (ends) {
      if (any) out.emplace_back(strip(sql.substr(start, token.offset - start)));
      start = token.offset + 1;
      words = 0;
      trigger = any = false;
      depth = 0;
      if (token.kind == TokenKind::end) return out;
      continue;
    }
    any = true;
    if (token.kind != TokenKind::word) continue;
    ++words;
    if (words <= 4 && equal_ignoring_case(token.text, "trigger")) trigger = true;
    if (!trigger) continue;
    if (equal_ignoring_case(token.text, "begin") || equal_ignoring_case(token.text, "case")) ++depth;
    if (equal_ignoring_case(token.text, "end") && depth > 0) --depth;
  }
}

std::string first_word(std::string_view sql) {
  auto token = Tokenizer(sql).next();
  if (!token || token->kind != TokenKind::word) return {};
  std::string word(token->text);
  for (char& c : word) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return word;
}

bool is_impure_function(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kImpure = {"random",
                                                               "randomblob",
                                                               "changes",
                                                               "total_changes",
                                                               "last_insert_rowid",
                                                               "load_extension",
                                                               "sqlite_version",
                                                               "sqlite_source_id",
                                                               "current_time",
                                                               "current_date",
                                                               "current_timestamp",
                                                               "sqlite_compileoption_get",
                                                               "sqlite_compileoption_used",
                                                               "fts3_tokenizer",
                                                               "sqlite_log"};
  return std::ranges::any_of(kImpure, [&](std::string_view impure) { return equal_ignoring_case(impure, name); });
}

std::string impure_word(std::string_view sql) {
  Tokenizer tokens(sql);
  Token before;
  while (true) {
    auto token = tokens.next();
    if (!token) return {};
    const bool is_name_token = before.kind == TokenKind::word || before.kind == TokenKind::quoted_name;
    if (is_name_token && token->kind == TokenKind::open) {
      std::string_view name = before.text;
      if (before.kind == TokenKind::quoted_name) name = name.substr(1, name.size() - 2);
      if (is_impure_function(name)) return std::string(name) + "()";
    }
    if (token->kind == TokenKind::end) return {};
    if (token->kind == TokenKind::word &&
        (equal_ignoring_case(token->text, "current_time") || equal_ignoring_case(token->text, "current_date") ||
         equal_ignoring_case(token->text, "current_timestamp"))) {
      return std::string(token->text);
    }
    before = *token;
  }
}

}  // namespace baton::view
