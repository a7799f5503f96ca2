// Messages as JSON, in the form in which Kafka's own classes print theirs: for tests, comparisons and debugging. Fields that
// the version does not have are left out, so are tagged fields with their default; of records only the size is shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/wire/types.h"

namespace baton::kafka::wire {

class JsonText {
 public:
  [[nodiscard]] const std::string& text() const { return text_; }

  void begin_object() {
    text_ += '{';
    first_ = true;
  }
  void end_object() {
    text_ += '}';
    first_ = false;
  }

  template <typename T, typename... Version>
  void field(std::string_view name, const T& v, Version... version) {
    key(name);
    value(v, version...);
  }
  void records(std::string_view name, const std::optional<Records>& v) {
    records_size(name, v ? std::optional(v->size()) : std::nullopt);
  }
  void records(std::string_view name, const std::optional<base::ByteView>& v) {
    records_size(name, v ? std::optional(v->size()) : std::nullopt);
  }

 private:
  void key(std::string_view name);
  void records_size(std::string_view name, std::optional<std::size_t> size);
  void value(bool v) { text_ += v ? "true" : "false"; }
  void value(double v);
  void value(std::integral auto v) { text_ += std::to_string(v); }
  void value(ErrorCode v) { text_ += std::to_string(static_cast<int>(v)); }
  void value(const Uuid& v);
  void value(std::string_view v);
  void value(const std::string& v) { value(std::string_view(v)); }
  void value(base::ByteView v);
  void value(const base::Bytes& v) { value(base::ByteView(v)); }
  template <typename T>
    requires requires(const T& v, JsonText& json) { v.dump(json, std::int16_t{}); }
  void value(const T& v, std::int16_t version) {
    v.dump(*this, version);
  }
  template <typename T, typename... Version>
  void value(const std::vector<T>& v, Version... version) {
    text_ += '[';
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (i != 0) text_ += ',';
      value(v[i], version...);
    }
    text_ += ']';
  }
  template <typename T, typename... Version>
  void value(const std::optional<T>& v, Version... version) {
    if (v) {
      value(*v, version...);
    } else {
      text_ += "null";
    }
  }

  std::string text_;
  bool first_ = true;
};

}  // namespace baton::kafka::wire
