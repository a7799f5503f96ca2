// An InputStream over a text.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>

#include "cli/input.h"

namespace baton::cli::for_test {

class TextInput final : public InputStream {
 public:
  explicit TextInput(std::string text) : text_(std::move(text)) {}
  [[nodiscard]] Result<std::size_t> read(base::MutableByteView out) override {
    const auto n = std::min(out.size(), text_.size() - at_);
    std::memcpy(out.data(), text_.data() + at_, n);
    at_ += n;
    return n;
  }
  [[nodiscard]] Packing packing() const override { return Packing::none; }
  [[nodiscard]] std::uint64_t consumed() const override { return at_; }
  [[nodiscard]] std::uint64_t total() const override { return text_.size(); }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

}  // namespace baton::cli::for_test
