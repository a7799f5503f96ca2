#include "view/json_fields.h"

#include <charconv>
#include <cstring>
#include <optional>

namespace baton::view {
namespace {
constexpr int kDepthMax = 128;

std::int64_t index_of(std::string_view name) {
  std::int64_t index = -1;
  if (name.size() > 1 && name[0] == '0') return -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  return error == std::errc() && end == name.data() + name.size() && index >= 0 ? index : -1;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
}  // namespace

// One pass over one text. Every method returns false at the first byte that is not JSON, and next_ is there.
class JsonScanner {
 public:
  JsonScanner(JsonFields& fields, std::string_view json)
      : fields_(fields), begin_(json.data()), next_(begin_), end_(begin_ + json.size()) {}

  bool run() {
    blank();
    if (!value(0, 0)) return false;
    blank();
    return next_ == end_;
  }
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(next_ - begin_); }

 private:
  using Node = JsonFields::Node;

  void blank() {
    while (next_ != end_ && (*next_ == ' ' || *next_ == '\n' || *next_ == '\t' || *next_ == '\r')) ++next_;
  }
  bool take(char c) {
    if (next_ == end_ || *next_ != c) return false;
    ++next_;
    return true;
  }
  bool literal(std::string_view word) {
    if (static_cast<std::size_t>(end_ - next_) < word.size() || std::memcmp(next_, word.data(), word.size()) != 0) return false;
    next_ += word.size();
    return true;
  }

  // Where the value of `node` goes; null when it is not asked for.
  JsonValue* slot(int node) {
    if (node < 0) return nullptr;
    const int number = fields_.nodes_[static_cast<std::size_t>(node)].value;
    return number < 0 ? nullptr : &fields_.values_[static_cast<std::size_t>(number)];
  }

  bool value(int node, int depth) {
    if (next_ == end_) return false;
    JsonValue* const out = slot(node);
    switch (*next_) {
      case '{':
      case '[': {
        if (depth == kDepthMax) return false;
        const char* const start = next_;
        if (!(*next_ == '{' ? object(node, depth) : array(node, depth))) return false;
        if (out != nullptr) *out = {.kind = JsonValue::Kind::text, .text = {start, static_cast<std::size_t>(next_ - start)}};
        return true;
      }
      case '"': {
        std::string_view raw;
        bool escaped = false;
        if (!string(raw, escaped)) return false;
        if (out != nullptr) *out = {.kind = JsonValue::Kind::text, .text = escaped ? keep_unescaped(raw) : raw};
        return true;
      }
      case 't':
        if (!literal("true")) return false;
        if (out != nullptr) *out = {.kind = JsonValue::Kind::boolean, .integer = 1};
        return true;
      case 'f':
        if (!literal("false")) return false;
        if (out != nullptr) *out = {.kind = JsonValue::Kind::boolean, .integer = 0};
        return true;
      case 'n':
        if (!literal("null")) return false;
        if (out != nullptr) *out = {.kind = JsonValue::Kind::null};
        return true;
      default: return number(out);
    }
  }

  bool object(int node, int depth) {
    ++next_;
    blank();
    if (take('}')) return true;
    while (true) {
      std::string_view raw;
      bool escaped = false;
      if (next_ == end_ || *next_ != '"' || !string(raw, escaped)) return false;
      const int child = node < 0 ? -1 : named(node, raw, escaped);
      blank();
      if (!take(':')) return false;
      blank();
      if (!value(child, depth + 1)) return false;
      blank();
      if (take('}')) return true;
      if (!take(',')) return false;
      blank();
    }
  }

  bool array(int node, int depth) {
    ++next_;
    blank();
    if (take(']')) return true;
    for (std::int64_t i = 0;; ++i) {
      int child = -1;
      if (node >= 0) {
        for (const auto& c : fields_.nodes_[static_cast<std::size_t>(node)].children) {
          if (c.index == i) child = c.node;
        }
      }
      if (!value(child, depth + 1)) return false;
      blank();
      if (take(']')) return true;
      if (!take(',')) return false;
      blank();
    }
  }

  int named(int node, std::string_view raw, bool escaped) {
    const auto& children = fields_.nodes_[static_cast<std::size_t>(node)].children;
    if (children.empty()) return -1;
    if (escaped) {
      fields_.key_.resize(raw.size());
      fields_.key_.resize(unescape(raw, fields_.key_.data()));
      raw = fields_.key_;
    }
    for (const auto& child : children) {
      if (child.name.size() != raw.size() || std::memcmp(child.name.data(), raw.data(), raw.size()) != 0) continue;
      Node& found = fields_.nodes_[static_cast<std::size_t>(child.node)];
      if (found.seen == fields_.run_) fields_.forget(child.node);
      found.seen = fields_.run_;
      return child.node;
    }
    return -1;
  }

  // A string with its quotes checked; `raw` is what stands between them.
  bool string(std::string_view& raw, bool& escaped) {
    const char* const start = ++next_;
    while (next_ != end_) {
      const auto c = static_cast<unsigned char>(*next_);
      if (c == '"') {
        raw = {start, static_cast<std::size_t>(next_ - start)};
        ++next_;
        return true;
      }
      if (c < 0x20) return false;
      if (c != '\\') {
        ++next_;
        continue;
      }
      escaped = true;
      if (!escape()) return false;
    }
    return false;
  }

  static int hex4(const char* p) {
    int code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = p[i];
      int digit = 0;
      if (is_digit(c))
        digit = c - '0';
      else if (c >= 'a' && c <= 'f')
        digit = c - 'a' + 10;
      else if (c >= 'A' && c <= 'F')
        digit = c - 'A' + 10;
      else
        return -1;
      code = code * 16 + digit;
    }
    return code;
  }

  bool escape() {
    if (end_ - next_ < 2) return false;
    if (next_[1] != 'u') {
      if (std::strchr("\"\\/bfnrt", next_[1]) == nullptr || next_[1] == '\0') return false;
      next_ += 2;
      return true;
    }
    if (end_ - next_ < 6) return false;
    const int code = hex4(next_ + 2);
    if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF)) return false;
    if (code >= 0xD800 && code <= 0xDBFF) {
      // Half of a character beyond 16 bits: the other half must follow, or there is no UTF-8 for it.
      if (end_ - next_ < 12 || next_[6] != '\\' || next_[7] != 'u') return false;
      const int second = hex4(next_ + 8);
      if (second < 0xDC00 || second > 0xDFFF) return false;
      next_ += 6;
    }
    next_ += 6;
    return true;
  }

  // `raw` has been checked by string(). Returns the length, which is never more than raw's.
  static std::size_t unescape(std::string_view raw, char* out) {
    char* const start = out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] != '\\') {
        *out++ = raw[i];
        continue;
      }
      switch (const char c = raw[++i]) {
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
          auto code = static_cast<unsigned>(hex4(raw.data() + i + 1));
          i += 4;
          if (code >= 0xD800 && code <= 0xDBFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<unsigned>(hex4(raw.data() + i + 3)) - 0xDC00);
            i += 6;
          }
          out = put_utf8(code, out);
          break;
        }
        default: *out++ = c;
      }
    }
    return static_cast<std::size_t>(out - start);
  }

  static char* put_utf8(unsigned code, char* out) {
    const auto put = [&](unsigned byte) { *out++ = static_cast<char>(byte); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0 | (code >> 6));
      put(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      put(0xE0 | (code >> 12));
      put(0x80 | ((code >> 6) & 0x3F));
      put(0x80 | (code & 0x3F));
    } else {
      put(0xF0 | (code >> 18));
      put(0x80 | ((code >> 12) & 0x3F));
      put(0x80 | ((code >> 6) & 0x3F));
      put(0x80 | (code & 0x3F));
    }
    return out;
  }

  std::string_view keep_unescaped(std::string_view raw) {
    char* const out = fields_.unescaped_.data() + fields_.unescaped_used_;
    const std::size_t length = unescape(raw, out);
    fields_.unescaped_used_ += length;
    return {out, length};
  }

  bool digits() {
    if (next_ == end_ || !is_digit(*next_)) return false;
    while (next_ != end_ && is_digit(*next_)) ++next_;
    return true;
  }

  bool number(JsonValue* out) {
    const char* const start = next_;
    bool whole = true;
    (void)take('-');
    if (!take('0') && !digits()) return false;
    if (take('.')) {
      whole = false;
      if (!digits()) return false;
    }
    if (next_ != end_ && (*next_ == 'e' || *next_ == 'E')) {
      whole = false;
      ++next_;
      if (next_ != end_ && (*next_ == '+' || *next_ == '-')) ++next_;
      if (!digits()) return false;
    }
    if (out == nullptr) return true;
    *out = {.kind = JsonValue::Kind::text, .text = {start, static_cast<std::size_t>(next_ - start)}};
    if (whole) {
      if (std::from_chars(start, next_, out->integer).ec == std::errc()) out->kind = JsonValue::Kind::integer;
    } else if (std::from_chars(start, next_, out->real).ec == std::errc()) {
      out->kind = JsonValue::Kind::real;
    }
    return true;
  }

  JsonFields& fields_;
  const char* begin_;
  const char* next_;
  const char* end_;
};

std::size_t JsonFields::add(const std::vector<std::string>& path) {
  std::size_t node = 0;
  for (const auto& name : path) {
    std::optional<std::size_t> found;
    for (const auto& child : nodes_[node].children) {
      if (child.name == name) found = static_cast<std::size_t>(child.node);
    }
    if (!found) {
      found = nodes_.size();
      nodes_[node].children.push_back({name, index_of(name), static_cast<int>(*found)});
      nodes_.emplace_back();
    }
    node = *found;
  }
  if (nodes_[node].value < 0) {
    nodes_[node].value = static_cast<int>(values_.size());
    values_.emplace_back();
  }
  return static_cast<std::size_t>(nodes_[node].value);
}

void JsonFields::forget(int node) {
  const Node& here = nodes_[static_cast<std::size_t>(node)];
  if (here.value >= 0) values_[static_cast<std::size_t>(here.value)] = {};
  for (const auto& child : here.children) forget(child.node);
}

void JsonFields::clear() {
  for (auto& value : values_) value = {};
}

Status JsonFields::extract(std::string_view json) {
  clear();
  ++run_;
  if (unescaped_.size() < json.size()) unescaped_.resize(json.size());
  unescaped_used_ = 0;
  JsonScanner scanner(*this, json);
  if (scanner.run()) return {};
  clear();
  return Error{Code::invalid_argument, "the data is not JSON (at byte " + std::to_string(scanner.offset()) + ")"};
}

}  // namespace baton::view
