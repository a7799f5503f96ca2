#include "broker/json_raw.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace baton::broker {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] char here() const { return text_[at_]; }
  void step() { ++at_; }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  std::string_view string() {
    const auto from = at_;
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
    return text_.substr(from, at_ - from);
  }
  std::string_view value() {
    const auto from = at_;
    int depth = 0;
    do {
      if (text_[at_] == '"') {
        string();
        continue;
      }
      if (text_[at_] == '{' || text_[at_] == '[') ++depth;
      if (text_[at_] == '}' || text_[at_] == ']') --depth;
      ++at_;
    } while (depth > 0 || (at_ < text_.size() && !ends_value(text_[at_])));
    return text_.substr(from, at_ - from);
  }

 private:
  static bool ends_value(char c) { return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  std::string_view text_;
  std::size_t at_ = 0;
};

// A name may be written with escapes: "d\u0061ta" is "data", as it is for whoever parses the document. `plain` keeps what has none any more.
std::string_view name_of(std::string_view quoted, std::string& plain) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2);
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(quoted.data(), quoted.size()), error);
  plain = !error && value.is_string() ? std::string(value.get_string()) : std::string(quoted);
  return plain;
}

}  // namespace

void each_member(std::string_view object, const std::function<void(std::string_view, std::string_view)>& visit) {
  Scanner scan(object);
  scan.skip_space();
  scan.step();  // {
  while (true) {
    scan.skip_space();
    if (scan.here() == '}') return;
    const auto name = scan.string();
    scan.skip_space();
    scan.step();  // :
    scan.skip_space();
    visit(name, scan.value());
    scan.skip_space();
    if (scan.here() == ',') scan.step();
  }
}

void each_element(std::string_view array, const std::function<void(std::string_view)>& visit) {
  Scanner scan(array);
  scan.skip_space();
  scan.step();  // [
  while (true) {
    scan.skip_space();
    if (scan.here() == ']') return;
    visit(scan.value());
    scan.skip_space();
    if (scan.here() == ',') scan.step();
  }
}

std::string_view member(std::string_view object, std::string_view name) {
  std::string_view found;
  std::string plain;
  each_member(object, [&](std::string_view quoted, std::string_view value) {
    if (name_of(quoted, plain) == name) found = value;
  });
  return found;
}

Status check_repeats(std::string_view object) {
  std::vector<std::string> seen;
  std::string plain;
  Status outcome;
  each_member(object, [&](std::string_view quoted, std::string_view) {
    if (!outcome) return;
    const std::string_view name = name_of(quoted, plain);
    if (std::ranges::find(seen, name) == seen.end()) seen.emplace_back(name);
    else outcome = Error{Code::invalid_argument, "'" + std::string(name.substr(0, 64)) + "' is given twice"};
  });
  return outcome;
}

}  // namespace baton::broker
