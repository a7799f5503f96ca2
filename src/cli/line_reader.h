// Lines of a file or of standard input, each with its number and of a bounded size.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/result.h>

#include "base/bytes.h"

namespace baton::cli {

inline constexpr std::size_t kLineBytesMax = 16u << 20;

class LineReader {
 public:
  // At least one byte, as they come; 0 at the end.
  using Source = std::function<Result<std::size_t>(base::MutableByteView)>;
  LineReader(Source source, std::string name) : source_(std::move(source)), name_(std::move(name)) {}

  // False at the end. A last line without a line end counts. Errors of the source come through, and then the line that had begun is dropped;
  // too_large: a line of more than kLineBytesMax.
  [[nodiscard]] Result<bool> next(std::string_view& line);
  [[nodiscard]] std::uint64_t number() const { return number_; }  // of the last line handed out, from 1
  // "file: line 7: ..."
  [[nodiscard]] Error at_line(const Error& error) const;

 private:
  Source source_;
  std::string name_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

}  // namespace baton::cli
