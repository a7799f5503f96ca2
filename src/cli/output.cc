#include "cli/output.h"

#include <algorithm>
#include <cstdio>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/base64.h"
#include "broker/cloud_event.h"
#include "store/limits.h"

namespace baton::cli {

namespace {

// Wider cells make their own line longer, and not all the others.
constexpr std::size_t kPaddedMax = 80;

// Cells of a terminal, as fmt counts them when it pads: two for ideographs and for most emoji.
std::size_t width(std::string_view text) {
  const std::size_t asked = text.size();  // no character is wider than it has bytes
  return asked - (fmt::formatted_size("{:<{}}", text, asked) - text.size());
}

bool is_json(std::string_view content_type, std::string_view data) {
  if (!broker::is_json_type(content_type)) return false;
  boost::system::error_code error;
  boost::json::parse(data, error);
  return !error;
}

}  // namespace

Exit exit_of(const Error& error) {
  switch (error.code) {
    case Code::wrong_version:
    case Code::condition_failed:
    case Code::duplicate_mismatch:
    case Code::partial_duplicate: return Exit::conflict;
    case Code::not_found:
    case Code::removed: return Exit::not_found;
    case Code::locked: return Exit::locked;
    case Code::corrupt: return Exit::corrupt;
    case Code::too_large:
    case Code::already_exists:
    case Code::invalid_argument: return Exit::usage;
    default: return Exit::failed;
  }
}

bool is_utf8(std::string_view text) { return store::valid_utf8(text); }

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += c == '\n' ? "\\n" : c == '\t' ? "\\t" : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else out.push_back(c);
  }
  return out;
}

std::string json_string(std::string_view text) {
  std::string out;
  put_json_string(out, text);
  return out;
}

void put_json_event(std::string& out, const Event& event) {
  bool first = true;
  const auto key = [&](std::string_view name) {
    out.push_back(first ? '{' : ',');
    first = false;
    put_json_string(out, name);
    out.push_back(':');
  };
  const auto text = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    put_json_string(out, value);
  };
  text("context", event.context);
  text("stream", event.stream);
  if (event.version >= 0) key("version"), out += std::to_string(event.version);
  text("system", event.system);
  text("type", event.type);
  text("id", event.id);
  text("source", event.source);
  text("time", event.time.to_string());
  text("recorded", event.recorded.to_string());
  text("position", event.position.token);
  key("offset"), out += std::to_string(event.offset);
  if (event.partition != 0) key("partition"), out += std::to_string(event.partition);
  text("subject", event.subject);
  text("tenant", event.tenant);
  text("correlation", event.correlation_id);
  text("causation", event.causation_id);
  text("traceparent", event.traceparent);
  if (!event.tags.empty()) {
    key("tags");
    out.push_back('[');
    for (std::size_t i = 0; i < event.tags.size(); ++i) {
      if (i > 0) out.push_back(',');
      put_json_string(out, event.tags[i]);
    }
    out.push_back(']');
  }
  if (!event.headers.empty()) {
    key("headers");
    out.push_back('[');
    for (std::size_t i = 0; i < event.headers.size(); ++i) {
      out += i > 0 ? ",[" : "[";
      put_json_string(out, event.headers[i].name);
      out.push_back(',');
      if (is_utf8(event.headers[i].value)) put_json_string(out, event.headers[i].value);
      else out += "null,\"" + base::to_base64(event.headers[i].value) + "\"";
      out.push_back(']');
    }
    out.push_back(']');
  }
  if (event.has_data || event.content_type != "application/json") text("content_type", event.content_type);  // the default is given anew
  if (event.has_data) {
    const bool json = is_json(event.content_type, event.data);
    // What says that it is JSON and is not would be read back as a text of JSON.
    if (!json && (broker::is_json_type(event.content_type) || !is_utf8(event.data))) {
      key("data_base64");
      put_json_string(out, base::to_base64(event.data));
      out.push_back('}');
      return;
    }
    key("data");
    const std::size_t begin = out.size();
    if (json) {
      out += event.data;
      std::replace_if(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');  // only between its tokens
    } else {
      put_json_string(out, event.data);
    }
  }
  out.push_back('}');
}

bool Output::line(std::string_view text) {
  if (closed_) return false;
  end_progress();
  closed_ = std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fputc('\n', stdout) == EOF;
  return !closed_;
}

bool Output::flush() {
  if (std::fflush(stdout) != 0) closed_ = true;
  return !closed_;
}

std::string Output::paint(std::string_view code, std::string_view text) const {
  return colour_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void Output::table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::vector<std::string>> lines(1);
  for (const auto& c : columns) lines.front().push_back(printable(c.title));
  for (const auto& row : rows) {
    auto& cells = lines.emplace_back();
    for (std::size_t i = 0; i < columns.size(); ++i) cells.push_back(printable(i < row.size() ? row[i] : ""));
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& cells : lines) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (const std::size_t cell = width(cells[i]); cell <= kPaddedMax) widths[i] = std::max(widths[i], cell);
    }
  }
  for (const auto& cells : lines) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string pad(widths[i] - std::min(widths[i], width(cells[i])), ' ');
      if (i > 0) text += "  ";
      if (columns[i].align == Align::right) text += pad + cells[i];
      else text += i + 1 < columns.size() ? cells[i] + pad : cells[i];
    }
    if (!line(&cells == &lines.front() ? bold(text) : text)) return;
  }
}

void Output::event(const Event& event) {
  if (json_) {
    std::string text;
    put_json_event(text, event);
    line(text);
    return;
  }
  const auto version = event.version >= 0 ? std::to_string(event.version) : event.system;
  line(fmt::format("{} {} {} {} {}", bold(printable(event.stream)), version, green(printable(event.type)), event.time.to_string(),
                   dim(event.position.token)));
  if (event.has_data) line("  " + printable(event.data));
}

void Output::progress(os::Clock& clock, std::string_view what, std::uint64_t done, std::uint64_t total, std::string_view unit) {
  if (!progress_) return;
  const auto now = clock.monotonic_ns();
  if (progress_start_ns_ < 0) progress_start_ns_ = now;
  if (progress_shown_ && now - progress_last_ns_ < 100'000'000) return;
  progress_last_ns_ = now;
  progress_shown_ = true;
  const double seconds = static_cast<double>(now - progress_start_ns_) / 1e9;
  const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
  std::string text = fmt::format("{} {}", what, with_commas(done));
  if (total > 0) text += fmt::format(" of {} ({}%)", with_commas(total), done * 100 / total);
  text += fmt::format(" {}, {}/s", unit, with_commas(static_cast<std::uint64_t>(rate)));
  if (total > done && rate > 0) text += fmt::format(", {:.0f} s left", static_cast<double>(total - done) / rate);
  std::fprintf(stderr, "\r%.*s\x1b[K", columns_ - 1, text.c_str());
}

void Output::end_progress() {
  if (progress_shown_) std::fprintf(stderr, "\r\x1b[K");
  progress_shown_ = false;
  progress_start_ns_ = -1;
}

std::string with_commas(std::uint64_t n) {
  auto text = std::to_string(n);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string human_bytes(std::uint64_t n) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(n);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) value /= 1024, ++unit;
  return unit == 0 ? fmt::format("{} B", n) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace baton::cli
