#include "cli/row_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/try.h"

namespace baton::cli {

namespace {

// Text of an input, a window at a time, that can be kept together until a row is complete.
class Window {
 public:
  explicit Window(std::unique_ptr<InputStream> input) : input_(std::move(input)) {}

  // The bytes from the start of the row on, at least one more than before; false at the end of the input.
  [[nodiscard]] Result<bool> grow() {
    if (ended_) return false;
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ + kStep > buffer_.size()) buffer_.resize(std::max(buffer_.size() * 2, end_ + kStep));
    BATON_TRY_ASSIGN(const auto got, input_->read({reinterpret_cast<std::byte*>(buffer_.data()) + end_, kStep}));
    end_ += got;
    ended_ = got == 0;
    return got > 0;
  }
  [[nodiscard]] std::string_view text() const { return {buffer_.data() + begin_, end_ - begin_}; }
  void consume(std::size_t n) { begin_ += n; }

 private:
  static constexpr std::size_t kStep = 64u << 10;
  std::unique_ptr<InputStream> input_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool ended_ = false;
};

// The end of the row that starts at text[0]: the position of its line end outside quotes, scanning on from `from`. npos: not there yet.
// A quote opens a quoted field only at the field's start; elsewhere it is text (`5" pipe`), so that it cannot swallow the rows behind it.
struct RowEnd {
  std::size_t scanned = 0;
  bool quoted = false;         // inside a quoted field at `scanned`
  bool field_start = true;
  bool after_closing = false;  // the character before closed a quoted field; a second quote means that it was a doubled one
};

std::size_t find_row_end(std::string_view text, RowEnd& state) {
  for (; state.scanned < text.size(); ++state.scanned) {
    const char c = text[state.scanned];
    if (c == '"') {
      const bool closes = state.quoted;
      state.quoted = !closes && (state.field_start || state.after_closing);
      state.after_closing = closes;
      state.field_start = false;
      continue;
    }
    if (state.quoted) continue;
    if (c == '\n') return state.scanned;
    state.field_start = c == ',';
    state.after_closing = false;
  }
  return std::string_view::npos;
}

Error too_long(const std::string& place, std::string_view advice) { return {Code::too_large, place + " is larger than 4 MiB; " + std::string(advice)}; }

class CsvReader final : public RowReader {
 public:
  CsvReader(std::unique_ptr<InputStream> input, std::string name) : window_(std::move(input)), name_(std::move(name)) {}

  [[nodiscard]] Status read_header() {
    Row row;
    BATON_TRY_ASSIGN(auto first, read_row(row));
    if (!first.have || row.raw.empty()) return Error{Code::invalid_argument, name_ + ": no header line; the first row must name the columns"};
    if (!first.problem.empty()) return Error{Code::invalid_argument, name_ + ": header line: " + first.problem};
    for (auto field : row.fields) columns_.emplace_back(field);
    if (columns_.front().starts_with("\xef\xbb\xbf")) columns_.front().erase(0, 3);
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (std::find(columns_.begin(), columns_.begin() + static_cast<std::ptrdiff_t>(i), columns_[i]) != columns_.begin() + static_cast<std::ptrdiff_t>(i))
        return Error{Code::invalid_argument, name_ + ": the header names the column '" + columns_[i] + "' twice"};
    number_ = 0;
    return {};
  }

  [[nodiscard]] Result<Next> next(Row& row) override {
    BATON_TRY_ASSIGN(auto result, read_row(row));
    if (result.have && result.problem.empty() && row.fields.size() != columns_.size())
      result.problem = std::to_string(row.fields.size()) + " fields where the header has " + std::to_string(columns_.size());
    return result;
  }
  [[nodiscard]] const std::vector<std::string>& columns() const override { return columns_; }

 private:
  [[nodiscard]] Result<Next> read_row(Row& row) {
    window_.consume(std::exchange(pending_, 0));
    for (;;) {
      RowEnd state;
      std::size_t end = find_row_end(window_.text(), state);
      while (end == std::string_view::npos) {
        if (window_.text().size() > kRowBytesMax) return too_long(name_ + ": row " + std::to_string(number_ + 1), "is a quote missing before it?");
        BATON_TRY_ASSIGN(const bool more, window_.grow());
        if (!more) break;
        end = find_row_end(window_.text(), state);
      }
      auto raw = window_.text();
      if (raw.empty()) return Next{};
      pending_ = end == std::string_view::npos ? raw.size() : end + 1;
      raw = raw.substr(0, end);
      if (raw.ends_with('\r')) raw.remove_suffix(1);
      if (raw.empty()) {  // an empty line is no row
        window_.consume(std::exchange(pending_, 0));
        continue;
      }
      row.number = ++number_;
      row.raw = raw;
      Next result{.have = true, .problem = {}};
      split(row, result.problem);
      return result;
    }
  }

  // Fields are views of the row; those with doubled quotes are unfolded into scratch_.
  void split(Row& row, std::string& problem) {
    row.fields.clear();
    scratch_.clear();
    scratch_.reserve(row.raw.size());
    auto rest = row.raw;
    for (;;) {
      if (row.fields.size() == kColumnsMax) {
        problem = "more than 4,096 fields";
        return;
      }
      if (rest.starts_with('"')) {
        const auto closing = closing_quote(rest);
        if (closing == std::string_view::npos) {
          problem = "a quote is not closed";
          return;
        }
        row.fields.push_back(unquote(rest.substr(1, closing - 1)));
        rest.remove_prefix(closing + 1);
        if (!rest.empty() && rest.front() != ',') {
          problem = "text behind the closing quote of field " + std::to_string(row.fields.size());
          return;
        }
        if (rest.empty()) return;
        rest.remove_prefix(1);
      } else {
        const auto comma = rest.find(',');
        row.fields.push_back(rest.substr(0, comma));
        if (comma == std::string_view::npos) return;
        rest.remove_prefix(comma + 1);
      }
    }
  }

  static std::size_t closing_quote(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] != '"') continue;
      if (i + 1 < text.size() && text[i + 1] == '"') ++i;
      else return i;
    }
    return std::string_view::npos;
  }

  std::string_view unquote(std::string_view inner) {
    if (inner.find('"') == std::string_view::npos) return inner;
    const auto start = scratch_.size();  // reserved: the views stay valid
    for (std::size_t i = 0; i < inner.size(); ++i) {
      scratch_.push_back(inner[i]);
      if (inner[i] == '"') ++i;
    }
    return std::string_view(scratch_).substr(start);
  }

  Window window_;
  std::string name_;
  std::vector<std::string> columns_;
  std::string scratch_;
  std::size_t pending_ = 0;  // bytes of the row that was handed out
  std::uint64_t number_ = 0;
};

class NdjsonReader final : public RowReader {
 public:
  NdjsonReader(std::unique_ptr<InputStream> input, std::string name) : window_(std::move(input)), name_(std::move(name)) {}

  [[nodiscard]] Result<Next> next(Row& row) override {
    for (;;) {
      window_.consume(std::exchange(pending_, 0));
      std::size_t scanned = 0, end = std::string_view::npos;
      for (;;) {
        end = window_.text().find('\n', scanned);
        if (end != std::string_view::npos) break;
        scanned = window_.text().size();
        if (scanned > kRowBytesMax) return too_long(name_ + ": line " + std::to_string(line_ + 1), "a line is one record");
        BATON_TRY_ASSIGN(const bool more, window_.grow());
        if (!more) break;
      }
      auto raw = window_.text();
      if (raw.empty()) return Next{};
      pending_ = end == std::string_view::npos ? raw.size() : end + 1;
      raw = raw.substr(0, end);
      ++line_;
      if (std::exchange(at_start_, false) && raw.starts_with("\xef\xbb\xbf")) raw.remove_prefix(3);
      if (raw.ends_with('\r')) raw.remove_suffix(1);
      if (raw.find_first_not_of(" \t") == std::string_view::npos) continue;
      row.number = ++number_;
      row.line = line_;
      row.raw = raw;
      row.fields.assign(1, raw);
      return Next{.have = true, .problem = {}};
    }
  }
  [[nodiscard]] const std::vector<std::string>& columns() const override { return columns_; }

 private:
  Window window_;
  std::string name_;
  std::vector<std::string> columns_;
  std::size_t pending_ = 0;
  std::uint64_t number_ = 0, line_ = 0;
  bool at_start_ = true;
};

}  // namespace

Result<std::unique_ptr<RowReader>> read_csv(std::unique_ptr<InputStream> input, std::string name) {
  auto reader = std::make_unique<CsvReader>(std::move(input), std::move(name));
  BATON_TRY(reader->read_header());
  return std::unique_ptr<RowReader>(std::move(reader));
}

Result<std::unique_ptr<RowReader>> read_ndjson(std::unique_ptr<InputStream> input, std::string name) {
  return std::unique_ptr<RowReader>(std::make_unique<NdjsonReader>(std::move(input), std::move(name)));
}

}  // namespace baton::cli
