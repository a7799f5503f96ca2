#include "view/generations.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/crc32c.h"
#include "base/try.h"

namespace baton::view {
namespace {

constexpr std::string_view kHead = "baton-view 1\n";
constexpr std::uint64_t kCurrentBytesMax = 4096;

std::string body(const Current& current) {
  return std::string(kHead) + "live " + std::to_string(current.live) + "\nprevious " + std::to_string(current.previous) + "\n";
}

std::string with_crc(const std::string& body) {
  char crc[16];
  std::snprintf(crc, sizeof crc, "crc %08x\n", base::crc32c(0, base::as_bytes(body)));
  return body + crc;
}

// Takes "<word> <number>\n" from the front.
bool take_line(std::string_view& text, std::string_view word, std::int64_t& number) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data() + text.size() || *end != '\n') return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return true;
}

std::string padded(std::int64_t number, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*lld", digits, static_cast<long long>(number));
  return text;
}

bool take_digits(std::string_view& text, std::int64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// The generation in "g000003.sqlite-wal", "g000003.error" or "g000003.at000000200000.sqlite", and the events in the last.
struct Name {
  std::int64_t generation = 0;
  std::optional<std::int64_t> events;
  bool whole = false;  // nothing after ".sqlite"
};
std::optional<Name> parse_name(std::string_view name) {
  Name out;
  if (!name.starts_with("g")) return std::nullopt;
  name.remove_prefix(1);
  if (!take_digits(name, out.generation)) return std::nullopt;
  if (name.starts_with(".at")) {
    name.remove_prefix(3);
    if (!take_digits(name, out.events.emplace())) return std::nullopt;
  }
  if (!name.starts_with(".sqlite") && name != ".error") return std::nullopt;
  out.whole = name == ".sqlite";
  return out;
}

}  // namespace

Result<std::optional<Current>> Generations::read_current() const {
  const std::string file = path("CURRENT");
  auto content = os::read_state_file(fs_, file, kCurrentBytesMax);
  if (!content) {
    if (content.error().code == Code::not_found) return std::optional<Current>();
    return content.error();
  }
  const std::string_view whole = base::as_text(*content);
  std::string_view text = whole;
  if (text.starts_with("baton-view ") && !text.starts_with(kHead)) {
    return Error{Code::unsupported_format, file + ": the view was written by a newer version of Baton"};
  }
  Current out;
  bool fine = text.starts_with(kHead);
  if (fine) text.remove_prefix(kHead.size());
  fine = fine && take_line(text, "live ", out.live) && take_line(text, "previous ", out.previous) && out.live > 0 &&
         out.previous >= 0;
  if (!fine || whole != with_crc(body(out))) {
    return Error{Code::corrupt, file + " is damaged: drop the view (baton view drop), and load its view file again; it is built again from the log"};
  }
  return std::optional<Current>(out);
}

Status Generations::write_current(const Current& current) {
  return os::replace_file(fs_, path("CURRENT"), base::as_bytes(with_crc(body(current))));
}

std::string Generations::database_path(std::int64_t generation) const { return path("g" + padded(generation, 6) + ".sqlite"); }
std::string Generations::error_path(std::int64_t generation) const { return path("g" + padded(generation, 6) + ".error"); }
std::string Generations::copy_path(std::int64_t generation, std::int64_t events) const {
  return path("g" + padded(generation, 6) + ".at" + padded(events, 12) + ".sqlite");
}

Result<std::vector<KeptCopy>> Generations::copies(std::int64_t generation) const {
  BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
  std::vector<KeptCopy> out;
  for (const auto& entry : entries) {
    const auto name = parse_name(entry.name);
    if (name && name->whole && name->events && name->generation == generation)
      out.push_back({generation, *name->events, path(entry.name)});
  }
  std::ranges::sort(out, {}, &KeptCopy::events);
  return out;
}

std::int64_t Generations::distance(const std::vector<KeptCopy>& copies, std::int64_t every, std::int64_t copies_max) {
  // The largest copy is never further than copies_max + 1 distances from the start, so the distance follows from it.
  std::int64_t out = every;
  const std::int64_t last = copies.empty() ? 0 : copies.back().events;
  while (last / out > copies_max) out *= 2;
  return out;
}

Result<std::int64_t> Generations::next_copy_at(std::int64_t generation, std::int64_t every, std::int64_t copies_max) const {
  BATON_TRY_ASSIGN(const auto there, copies(generation));
  const std::int64_t step = distance(there, every, copies_max);
  const std::int64_t last = there.empty() ? 0 : there.back().events;
  return (last / step + 1) * step;
}

Status Generations::thin_copies(std::int64_t generation, std::int64_t every, std::int64_t copies_max) {
  BATON_TRY_ASSIGN(const auto there, copies(generation));
  const std::int64_t step = distance(there, every, copies_max);
  // One for each distance, the newest always: the next copy counts from it.
  std::int64_t slot = 0;
  for (std::size_t i = 0; i < there.size(); ++i) {
    const std::int64_t here = there[i].events / step;
    if (here > slot || i + 1 == there.size()) {
      slot = here;
    } else {
      BATON_TRY(remove_if_there(there[i].path));
    }
  }
  return {};
}

Status Generations::remove_if_there(const std::string& file) {
  auto removed = fs_.remove(file);
  if (!removed && removed.error().code == Code::not_found) return {};
  return removed;
}

Status Generations::remove_generation(std::int64_t generation) {
  BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
  for (const auto& entry : entries) {
    const auto name = parse_name(entry.name);
    if (name && name->generation == generation) BATON_TRY(remove_if_there(path(entry.name)));
  }
  return {};
}

Status Generations::remove_leftovers(const std::optional<Current>& current) {
  BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
  for (const auto& entry : entries) {
    const auto name = parse_name(entry.name);
    if (name) {
      const bool named = current && (name->generation == current->live || name->generation == current->previous);
      if (!named) BATON_TRY(remove_if_there(path(entry.name)));
      continue;
    }
    if (!entry.name.starts_with("tmp-")) continue;
    auto file = fs_.open(path(entry.name), {});
    if (file) {
      auto locked = (*file)->is_locked(os::LockKind::exclusive, kInUseByte, 1);
      if (locked && *locked) continue;
    }
    BATON_TRY(remove_if_there(path(entry.name)));
  }
  return {};
}

}  // namespace baton::view
