#include "cli/line_reader.h"

#include <algorithm>
#include <cstring>

#include "base/try.h"

namespace baton::cli {

Error LineReader::at_line(const Error& error) const {
  return {error.code, name_ + ": line " + std::to_string(number_) + ": " + error.detail};
}

Result<bool> LineReader::next(std::string_view& line) {
  constexpr std::size_t kStep = 64u << 10;
  for (std::size_t scanned = 0;;) {
    const std::string_view text(buffer_.data() + begin_, end_ - begin_);
    if (const auto at = text.find('\n', scanned); at != std::string_view::npos) {
      line = text.substr(0, at);
      begin_ += at + 1;
      ++number_;
      return true;
    }
    scanned = text.size();
    if (ended_) {
      if (text.empty()) return false;
      line = text;
      begin_ = end_;
      ++number_;
      return true;
    }
    if (text.size() > kLineBytesMax)
      return Error{Code::too_large,
                   name_ + ": line " + std::to_string(number_ + 1) + " is larger than 16 MiB; a line is one record"};
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, text.size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ + kStep > buffer_.size()) buffer_.resize(std::max(buffer_.size() * 2, end_ + kStep));
    BATON_TRY_ASSIGN(const auto got, source_({reinterpret_cast<std::byte*>(buffer_.data()) + end_, kStep}));
    end_ += got;
    ended_ = got == 0;
  }
}

}  // namespace baton::cli
