// JsonFields: picks the fields that a view's statements name out of an event's JSON, in one pass and without a tree.
//
// The whole text is checked (RFC 8259), so that whether an event is accepted does not depend on which fields are asked for. When a name is
// repeated in an object, its last value counts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

namespace baton::view {

struct JsonValue {
  enum class Kind { missing, null, boolean, integer, real, text } kind = Kind::missing;
  std::int64_t integer = 0;  // of a boolean too: 0 or 1
  double real = 0;
  // Of a string; of an object or array its JSON; of a number that fits no other kind, its digits. Points into the event or into the
  // JsonFields, and is valid until the next extract().
  std::string_view text;
};

class JsonFields {
 public:
  JsonFields() : nodes_(1) {}
  // The number of the value that extract() gives for this path; the same path has one number.
  std::size_t add(const std::vector<std::string>& path);
  [[nodiscard]] std::size_t count() const { return values_.size(); }

  // invalid_argument when `json` is not JSON, with the byte where it ends to be so.
  [[nodiscard]] Status extract(std::string_view json);
  // What no extract() has seen is missing.
  void clear();
  [[nodiscard]] const JsonValue& operator[](std::size_t number) const { return values_[number]; }

 private:
  friend class JsonScanner;
  struct Child {
    std::string name;
    std::int64_t index;  // the name as an array index; -1: it is none
    int node;
  };
  // A place in the tree of all paths.
  struct Node {
    int value = -1;          // its number; -1: only what is below is wanted
    std::uint64_t seen = 0;  // the extract() that last passed here
    std::vector<Child> children;
  };
  void forget(int node);

  std::vector<Node> nodes_;
  std::vector<JsonValue> values_;
  std::vector<char> unescaped_;  // as long as the JSON, so that it never moves while views point into it
  std::size_t unescaped_used_ = 0;
  std::string key_;
  std::uint64_t run_ = 0;
};

}  // namespace baton::view
