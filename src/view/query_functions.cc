#include "view/query_functions.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <cstdint>
#include <optional>
#include <string>

#include "base/try.h"
#include "view/allowance.h"
#include "view/sql_text.h"

namespace baton::view {
namespace {

constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

// Counts small pieces of work, and looks at the allowance now and then. Outside a query nothing ends.
class Work {
 public:
  [[nodiscard]] bool is_over(std::size_t pieces = 1) {
    done_ += pieces;
    if (over_ || done_ < kPiecesPerLook) return over_;
    done_ = 0;
    Allowance* const allowance = Allowance::current();
    return over_ = allowance != nullptr && allowance->is_over();
  }

 private:
  static constexpr std::size_t kPiecesPerLook = 100'000;
  std::size_t done_ = 0;
  bool over_ = false;
};

void end_query(sqlite3_context* context) { sqlite3_result_error_code(context, SQLITE_INTERRUPT); }

// Empty for NULL (or no memory, which SQLite reports).
std::optional<std::string_view> text_of(sqlite3_value* value) {
  const auto* data = reinterpret_cast<const char*>(sqlite3_value_text(value));
  if (data == nullptr) return std::nullopt;
  return std::string_view(data, static_cast<std::size_t>(sqlite3_value_bytes(value)));
}

// SQLite takes patterns for texts that end at a zero byte.
std::string_view until_zero(std::string_view text) { return text.substr(0, text.find('\0')); }

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// memmem is linear, unlike std::string_view::find.
std::size_t find_bytes(std::string_view text, std::string_view what, std::size_t from) {
  const void* const found = ::memmem(text.data() + from, text.size() - from, what.data(), what.size());
  return found == nullptr ? std::string_view::npos : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

void instr(sqlite3_context* context, int, sqlite3_value** values) {
  const int type = sqlite3_value_type(values[0]);
  const int what_type = sqlite3_value_type(values[1]);
  if (type == SQLITE_NULL || what_type == SQLITE_NULL) return;
  const bool bytes = type == SQLITE_BLOB && what_type == SQLITE_BLOB;
  const auto view = [&](sqlite3_value* value) -> std::optional<std::string_view> {
    if (!bytes) return text_of(value);
    const auto* data = static_cast<const char*>(sqlite3_value_blob(value));
    return std::string_view(data == nullptr ? "" : data, static_cast<std::size_t>(sqlite3_value_bytes(value)));
  };
  const auto text = view(values[0]);
  const auto what = view(values[1]);
  if (!text || !what) return sqlite3_result_error_nomem(context);
  if (what->empty()) return sqlite3_result_int(context, 1);
  // In text only the beginning of a character counts, and the first byte.
  const bool only_first = !bytes && continues_character(what->front());
  const std::size_t at = only_first ? (text->starts_with(*what) ? 0 : std::string_view::npos) : find_bytes(*text, *what, 0);
  if (at == std::string_view::npos) return sqlite3_result_int(context, 0);
  int place = 1;
  for (std::size_t i = 1; i <= at; ++i) place += bytes || !continues_character((*text)[i]) ? 1 : 0;
  sqlite3_result_int(context, place);
}

void replace(sqlite3_context* context, int, sqlite3_value** values) {
  const auto text = text_of(values[0]);
  if (!text) return;
  const auto what = text_of(values[1]);
  if (!what) return;
  if (what->empty() || what->front() == '\0') return sqlite3_result_value(context, values[0]);
  const auto by = text_of(values[2]);
  if (!by) return;
  Work work;
  std::size_t found = 0;
  for (std::size_t at = 0; (at = find_bytes(*text, *what, at)) != std::string_view::npos; at += what->size(), ++found) {
    if (work.is_over()) return end_query(context);
  }
  if (found == 0) return sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  const std::size_t size = text->size() - found * what->size() + found * by->size();
  if (size > static_cast<std::size_t>(sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1))) return sqlite3_result_error_toobig(context);
  auto* const out = static_cast<char*>(sqlite3_malloc64(size + 1));
  if (out == nullptr) return sqlite3_result_error_nomem(context);
  char* end = out;
  const auto put = [&](std::string_view part) { end = std::copy(part.begin(), part.end(), end); };
  std::size_t from = 0;
  for (; found > 0; --found) {
    const std::size_t at = find_bytes(*text, *what, from);
    put(text->substr(from, at - from));
    put(*by);
    from = at + what->size();
  }
  put(text->substr(from));
  *end = '\0';
  sqlite3_result_text64(context, out, size, sqlite3_free, SQLITE_UTF8);
}

// What stands for a character: a byte, and those that continue it when it begins one of several bytes.
std::size_t character_length(std::string_view text) {
  std::size_t length = 1;
  if (static_cast<unsigned char>(text.front()) >= 0xC0) {
    while (length < text.size() && continues_character(text[length])) ++length;
  }
  return length;
}

template <bool kLeft, bool kRight>
void trim(sqlite3_context* context, int, sqlite3_value** values) {
  auto text = text_of(values[0]);
  const auto set = text_of(values[1]);
  if (!text || !set) return;
  const auto characters = until_zero(*set);
  Work work;
  bool over = false;
  const auto cut = [&](auto matches, auto remove) {
    while (!text->empty() && !over) {
      std::string_view found;
      for (std::string_view rest = characters; found.empty() && !rest.empty(); rest.remove_prefix(character_length(rest))) {
        if ((over = work.is_over())) return;
        if (const auto one = rest.substr(0, character_length(rest)); matches(one)) found = one;
      }
      if (found.empty()) return;
      remove(found.size());
    }
  };
  if constexpr (kLeft) cut([&](std::string_view one) { return text->starts_with(one); }, [&](std::size_t n) { text->remove_prefix(n); });
  if constexpr (kRight) cut([&](std::string_view one) { return text->ends_with(one); }, [&](std::size_t n) { text->remove_suffix(n); });
  if (over) return end_query(context);
  sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

// LIKE or GLOB: which characters are wildcards. 0: none is.
struct Wildcards {
  const char* function;
  char many, one, set;
  bool any_case;
};
constexpr Wildcards kLike{.function = "like", .many = '%', .one = '_', .set = 0, .any_case = true};
constexpr Wildcards kGlob{.function = "glob", .many = '*', .one = '?', .set = '[', .any_case = false};

// The first character, as SQLite decodes it, taken from `text`; 0 at the end.
char32_t take_character(std::string_view& text) {
  if (text.empty()) return 0;
  if (const auto ascii = static_cast<unsigned char>(text.front()); ascii < 0x80) {
    text.remove_prefix(1);
    return ascii;
  }
  const std::size_t length = character_length(text);
  const auto first = static_cast<unsigned char>(text.front());
  char32_t code = first;
  if (first >= 0xC0) {
    code = first < 0xE0 ? first & 0x1Fu : first < 0xF0 ? first & 0x0Fu : first < 0xF8 ? first & 7u : first < 0xFC ? first & 3u : first < 0xFE ? first & 1u : 0u;
    for (const char c : text.substr(1, length - 1)) code = (code << 6) + (static_cast<unsigned char>(c) & 0x3Fu);
    if (code < 0x80 || (code & 0xFFFF'F800u) == 0xD800 || (code & 0xFFFF'FFFEu) == 0xFFFE) code = 0xFFFD;
  }
  text.remove_prefix(length);
  return code;
}

char32_t lower(char32_t c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

class Matcher {
 public:
  Matcher(const Wildcards& wildcards, char32_t escape) : wild_(wildcards), escape_(escape) {}

  // Empty when the query has to end. What a wildcard for many takes grows only where what follows it does not match, and only of the last one: so this
  // takes at most the product of the two lengths.
  std::optional<bool> match(std::string_view pattern, std::string_view text) {
    bool may_resume = false;
    std::string_view resume_pattern, resume_text;
    while (true) {
      if (work_.is_over()) return std::nullopt;
      if (pattern.empty() && text.empty()) return true;
      std::string_view rest = pattern;
      const char32_t c = take_character(rest);
      if (c == static_cast<unsigned char>(wild_.many) && c != 0 && c != escape_) {
        if (rest.empty()) return true;
        may_resume = true;
        resume_pattern = pattern = rest;
        if (!skip_to_first(resume_pattern, text)) return std::nullopt;
        resume_text = text;
        continue;
      }
      if (c != 0 && !text.empty()) {
        const Match one = match_one(c, rest, text);
        if (one == Match::never) return false;
        if (one == Match::yes) {
          pattern = rest;
          continue;
        }
      }
      if (!may_resume || resume_text.empty()) return false;
      (void)take_character(resume_text);
      if (!skip_to_first(resume_pattern, resume_text)) return std::nullopt;
      pattern = resume_pattern;
      text = resume_text;
    }
  }

 private:
  enum class Match { yes, no, never };

  // `c` has been taken from the pattern; takes the rest of what it begins, and a character of the text.
  Match match_one(char32_t c, std::string_view& pattern, std::string_view& text) {
    const char32_t other = take_character(text);
    if (c == escape_) {
      c = take_character(pattern);
      if (c == 0) return Match::never;
    } else if (wild_.set != 0 && c == static_cast<unsigned char>(wild_.set)) {
      return in_set(pattern, other);
    } else if (c == static_cast<unsigned char>(wild_.one)) {
      return Match::yes;
    }
    const bool same = c == other || (wild_.any_case && c < 0x80 && other < 0x80 && lower(c) == lower(other));
    return same ? Match::yes : Match::no;
  }

  // What stands between brackets: characters and ranges; first '^' for all others, first ']' for itself.
  Match in_set(std::string_view& pattern, char32_t c) {
    const std::size_t before = pattern.size();
    bool found = false;
    char32_t one = take_character(pattern);
    const bool others = one == '^';
    if (others) one = take_character(pattern);
    if (one == ']') {
      found = c == ']';
      one = take_character(pattern);
    }
    for (char32_t low = 0; one != 0 && one != ']'; one = take_character(pattern)) {
      if (one == '-' && low != 0 && !pattern.empty() && pattern.front() != ']') {
        one = take_character(pattern);
        found = found || (low <= c && c <= one);
        low = 0;
      } else {
        found = found || c == one;
        low = one;
      }
    }
    (void)work_.is_over(before - pattern.size());  // match() hears of it
    if (one == 0) return Match::never;
    return found != others ? Match::yes : Match::no;
  }

  // A pattern that begins with an ordinary ASCII character matches only where that is. False when the query has to end.
  bool skip_to_first(std::string_view pattern, std::string_view& text) {
    const auto c = static_cast<unsigned char>(pattern.front());
    const auto is = [&](char wildcard) { return wildcard != 0 && c == static_cast<unsigned char>(wildcard); };
    if (c >= 0x80 || c == escape_ || is(wild_.many) || is(wild_.one) || is(wild_.set)) return true;
    const auto wanted = lower(c);
    std::size_t at = 0;
    if (wild_.any_case && wanted >= 'a' && wanted <= 'z') {
      while (at < text.size() && (static_cast<unsigned char>(text[at]) | 0x20u) != wanted) ++at;
    } else {
      at = std::min(text.find(static_cast<char>(c)), text.size());
    }
    text.remove_prefix(at);
    return !work_.is_over(1 + at / 16);
  }

  const Wildcards& wild_;
  const char32_t escape_;
  Work work_;
};

constexpr std::size_t kSmallProduct = 1 << 16;  // of the two lengths: SQLite's own matcher takes a fraction of a millisecond

void like(sqlite3_context* context, int count, sqlite3_value** values) {
  static const bool kNoBlobs = sqlite3_compileoption_used("LIKE_DOESNT_MATCH_BLOBS") != 0;
  const auto is_blob = [&](int i) { return sqlite3_value_type(values[i]) == SQLITE_BLOB; };
  if (kNoBlobs && (is_blob(0) || is_blob(1))) return sqlite3_result_int(context, 0);
  if (sqlite3_value_bytes(values[0]) > sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, -1))
    return sqlite3_result_error(context, "LIKE or GLOB pattern too complex", -1);
  char32_t escape = 0;
  if (count == 3) {
    const auto text = text_of(values[2]);
    if (!text) return;
    std::string_view rest = until_zero(*text);
    escape = take_character(rest);
    if (escape == 0 || !rest.empty()) return sqlite3_result_error(context, "ESCAPE expression must be a single character", -1);
  }
  const auto pattern = text_of(values[0]);
  const auto text = text_of(values[1]);
  if (!pattern || !text) return;
  const auto& wildcards = *static_cast<const Wildcards*>(sqlite3_user_data(context));
  const bool plain_escape = escape == 0 || (escape != static_cast<unsigned char>(wildcards.many) && escape != static_cast<unsigned char>(wildcards.one));
  if (text->size() * pattern->size() <= kSmallProduct && plain_escape) {
    const int differs = wildcards.any_case ? sqlite3_strlike(pattern->data(), text->data(), escape) : sqlite3_strglob(pattern->data(), text->data());
    return sqlite3_result_int(context, differs == 0 ? 1 : 0);
  }
  const auto matches = Matcher(wildcards, escape).match(until_zero(*pattern), until_zero(*text));
  if (!matches) return end_query(context);
  sqlite3_result_int(context, *matches ? 1 : 0);
}

// Whether a literal is a text, or what begins with a text: 'abc', 'abc%'.
bool is_prefix(std::string_view literal, const Wildcards& wildcards) {
  const std::string_view text = literal.substr(1, literal.size() - 2);
  const char all[] = {wildcards.many, wildcards.one, wildcards.set != 0 ? wildcards.set : wildcards.one};
  const auto first = text.find_first_of(std::string_view(all, sizeof all));
  return first == std::string_view::npos || (first + 1 == text.size() && text[first] == wildcards.many);
}

// Whether each LIKE and GLOB stands before such a literal, and it is the whole pattern.
bool compares_with_prefixes_only(std::string_view sql) {
  Tokenizer tokens(sql);
  auto token = tokens.next();
  while (token && token->kind != TokenKind::end) {
    std::string_view name = token->text;
    if (token->kind == TokenKind::quoted_name) name = name.substr(1, name.size() - 2);
    const Wildcards* wildcards = nullptr;
    for (const Wildcards* each : {&kLike, &kGlob}) {
      if (equal_ignoring_case(name, each->function)) wildcards = each;
    }
    token = tokens.next();
    if (wildcards == nullptr) continue;
    if (!token || token->kind != TokenKind::string || !is_prefix(token->text, *wildcards)) return false;
    token = tokens.next();
    // COLLATE would bind to the literal alone, and what follows it to both.
    const bool is_end = token && token->kind == TokenKind::word && !equal_ignoring_case(token->text, "collate") && !equal_ignoring_case(token->text, "escape");
    const bool ends = token && (is_end || token->kind == TokenKind::semicolon || token->kind == TokenKind::end ||
                                token->text == ")" || token->text == ",");
    if (!ends) return false;
  }
  return token.ok();
}

// One conversion of a format, as SQLite reads it: %[flags][width][.precision][l|ll]type, where '*' stands for the next argument.
struct Conversion {
  std::string head = "%";  // up to the type, without '*' and 'l'
  std::int64_t width = 0, precision = -1;
  char type = 0;  // 0: the format ends in it
};

// The arguments of a call, one after the other; those that are missing are NULL.
class Arguments {
 public:
  Arguments(int count, sqlite3_value** values) : count_(count), values_(values) {}
  std::int64_t integer() { return next_ < count_ ? sqlite3_value_int64(values_[next_++]) : 0; }
  double real() { return next_ < count_ ? sqlite3_value_double(values_[next_++]) : 0; }
  const char* text() { return next_ < count_ ? reinterpret_cast<const char*>(sqlite3_value_text(values_[next_++])) : nullptr; }

 private:
  int count_, next_ = 1;  // behind the format
  sqlite3_value** values_;
};

Conversion take_conversion(std::string_view& format, Arguments& arguments) {
  Conversion out;
  const auto take = [&](std::string_view any) {
    const auto length = std::min(format.find_first_not_of(any), format.size());
    const auto taken = format.substr(0, length);
    format.remove_prefix(length);
    return taken;
  };
  const auto take_number = [&](bool is_width) -> std::int64_t {
    std::uint32_t number = 0;
    if (format.starts_with('*')) {
      format.remove_prefix(1);
      const auto given = static_cast<std::int32_t>(arguments.integer());
      if (given < 0 && is_width) out.head += '-';
      number = given == INT32_MIN ? 0 : static_cast<std::uint32_t>(given < 0 ? -given : given);
      if (given == INT32_MIN && !is_width) return -1;
    } else {
      for (const char digit : take("0123456789")) number = number * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    return number & 0x7FFF'FFFFu;
  };
  out.head += take("-+ #!0,");
  out.width = take_number(true);
  if (out.width > 0) out.head += std::to_string(out.width);
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    out.precision = take_number(false);
    if (out.precision >= 0) out.head += "." + std::to_string(out.precision);
  }
  for (int i = 0; i < 2 && format.starts_with('l'); ++i) format.remove_prefix(1);
  if (format.empty()) return out;
  out.type = format.front();
  format.remove_prefix(1);
  return out;
}

// %c: the first character of the argument, as often as the precision says. SQLite's own goes on counting behind what a value may hold.
void put_characters(sqlite3_str* out, const Conversion& conversion, const char* argument) {
  const std::string_view text = argument == nullptr || *argument == 0 ? std::string_view("\0", 1) : std::string_view(argument);
  const auto one = text.substr(0, std::min<std::size_t>(character_length(text), 4));
  const std::int64_t times = std::max<std::int64_t>(conversion.precision, 1);
  const auto blanks = static_cast<int>(std::max<std::int64_t>(conversion.width - times, 0));
  const bool left = conversion.head.find('-') != std::string::npos;
  if (!left) sqlite3_str_appendchar(out, blanks, ' ');
  for (std::int64_t i = 0; i < times && sqlite3_str_errcode(out) == SQLITE_OK; ++i) sqlite3_str_append(out, one.data(), static_cast<int>(one.size()));
  if (left) sqlite3_str_appendchar(out, blanks, ' ');
}

// False: here a format ends that SQLite does not understand.
bool put_conversion(sqlite3_str* out, Conversion conversion, Arguments& arguments) {
  const auto head_for = [&](const char* size, char type) {
    conversion.head += size;
    conversion.head += type;
    return conversion.head.c_str();
  };
  switch (conversion.type) {
    case '%': sqlite3_str_appendf(out, head_for("", '%')); return true;
    case 'n': return true;  // nothing, in SQL
    case 'c': put_characters(out, conversion, arguments.text()); return true;
    case 'd': case 'i': case 'u': case 'x': case 'X': case 'o': case 'r': case 'p':
      sqlite3_str_appendf(out, head_for("ll", conversion.type), arguments.integer());
      return true;
    case 'f': case 'e': case 'E': case 'g': case 'G':
      sqlite3_str_appendf(out, head_for("", conversion.type), arguments.real());
      return true;
    case 's': case 'z': case 'q': case 'Q': case 'w':
      // In C, 'z' would give the text to sqlite3_free.
      sqlite3_str_appendf(out, head_for("", conversion.type == 'z' ? 's' : conversion.type), arguments.text());
      return true;
    default: return false;
  }
}

// Ends `text`, and makes it the result.
void give_text(sqlite3_context* context, sqlite3_str* text) {
  const int failed = sqlite3_str_errcode(text);
  const int length = sqlite3_str_length(text);
  char* const result = sqlite3_str_finish(text);
  if (failed == SQLITE_OK && result == nullptr) return sqlite3_result_text(context, "", 0, SQLITE_STATIC);
  if (failed == SQLITE_OK) return sqlite3_result_text(context, result, length, sqlite3_free);
  sqlite3_free(result);
  if (failed == SQLITE_TOOBIG) return sqlite3_result_error_toobig(context);
  sqlite3_result_error_nomem(context);
}

void format(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto given = count < 1 ? std::nullopt : text_of(values[0]);
  if (!given) return;
  std::string_view rest = until_zero(*given);
  Arguments arguments(count, values);
  sqlite3_str* const out = sqlite3_str_new(sqlite3_context_db_handle(context));
  bool goes_on = true, converted = false;
  while (goes_on && !rest.empty() && sqlite3_str_errcode(out) == SQLITE_OK) {
    const auto plain = std::min(rest.find('%'), rest.size());
    sqlite3_str_append(out, rest.data(), static_cast<int>(plain));
    rest.remove_prefix(plain);
    if (rest.empty()) break;
    rest.remove_prefix(1);
    if (rest.empty()) sqlite3_str_appendchar(out, 1, '%');
    else converted |= goes_on = put_conversion(out, take_conversion(rest, arguments), arguments);
  }
  if (converted || sqlite3_str_errcode(out) != SQLITE_OK || sqlite3_str_length(out) > 0) return give_text(context, out);
  sqlite3_free(sqlite3_str_finish(out));  // a format without anything gives NULL
}

struct Function {
  const char* name;
  int arguments;
  void (*call)(sqlite3_context*, int, sqlite3_value**);
  const Wildcards* wildcards = nullptr;
};

}  // namespace

Status give_query_functions(Database& db, std::string_view sql) {
  static constexpr std::array kFunctions = {Function{"instr", 2, instr}, Function{"replace", 3, replace}, Function{"trim", 2, trim<true, true>},
                                            Function{"ltrim", 2, trim<true, false>}, Function{"rtrim", 2, trim<false, true>},
                                            Function{"printf", -1, format}, Function{"format", -1, format}};
  static constexpr std::array kPatterns = {Function{"like", 2, like, &kLike}, Function{"like", 3, like, &kLike}, Function{"glob", 2, like, &kGlob}};
  const auto give = [&](const auto& functions) -> Status {
    for (const Function& f : functions) {
      const int rc = sqlite3_create_function_v2(db.get(), f.name, f.arguments, kFlags, const_cast<Wildcards*>(f.wildcards), f.call, nullptr, nullptr, nullptr);
      if (rc != SQLITE_OK) return sqlite_error(db.get(), rc, "set up a connection");
    }
    return {};
  };
  BATON_TRY(give(kFunctions));
  if (compares_with_prefixes_only(sql)) return {};
  return give(kPatterns);
}

}  // namespace baton::view
