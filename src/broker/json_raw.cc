#include "broker/json_raw.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <cstddef>

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

// A name may be written with escapes: "d\u0061ta" is "data", as it is for whoever parses the document.
bool is_name(std::string_view quoted, std::string_view name) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2) == name;
  boost::system::error_code error;
  const auto value = boost::json::parse(boost::json::string_view(quoted.data(), quoted.size()), error);
  return !error && value.is_string() && std::string_view(value.get_string()) == name;
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
  each_member(object, [&](std::string_view quoted, std::string_view value) {
    if (is_name(quoted, name)) found = value;
  });
  return found;
}

}  // namespace baton::broker
