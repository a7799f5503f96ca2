// Writes JSON into a string, without a tree.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace baton::gateway {

// Text as a JSON string. Bytes that are not UTF-8 become U+FFFD.
void put_json_string(std::string& out, std::string_view text);
[[nodiscard]] bool is_json(std::string_view text);

// A list of what `put_one(element)` writes for each element.
template <typename Range, typename PutOne>
void put_json_array(std::string& out, const Range& elements, PutOne&& put_one) {
  out += '[';
  const auto begin = out.size();
  for (const auto& element : elements) {
    if (out.size() != begin) out += ',';
    put_one(element);
  }
  out += ']';
}

// An object, from "{" to end().
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }
  void text(std::string_view name, std::string_view value) {
    key(name);
    put_json_string(out_, value);
  }
  // Left out when it is empty.
  void text_if(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  template <typename N>
  void number(std::string_view name, N value) {
    key(name);
    out_ += std::to_string(value);
  }
  void boolean(std::string_view name, bool value) {
    key(name);
    out_ += value ? "true" : "false";
  }
  // The value follows, written by the caller.
  void key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    put_json_string(out_, name);
    out_ += ':';
  }
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace baton::gateway
