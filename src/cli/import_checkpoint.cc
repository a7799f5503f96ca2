#include "cli/import_checkpoint.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/try.h"

namespace baton::cli {

namespace {

// Takes `label`, a space, a value and the end of a line.
std::optional<std::string_view> line(std::string_view& text, std::string_view label) {
  const auto end = text.find('\n');
  if (end == std::string_view::npos || !text.starts_with(label) || text.size() <= label.size() || text[label.size()] != ' ') return std::nullopt;
  const auto value = text.substr(label.size() + 1, end - label.size() - 1);
  text.remove_prefix(end + 1);
  return value;
}

template <typename T>
bool number(std::optional<std::string_view> text, int base, T& out) {
  if (!text) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), out, base);
  return error == std::errc() && end == text->data() + text->size();
}

}  // namespace

std::string write_import_checkpoint(const ImportCheckpoint& checkpoint) {
  auto out = fmt::format("baton-import 1\nevents {}\nhash {:016x}\nposition {}\n", checkpoint.events, checkpoint.hash, checkpoint.position.token);
  out += fmt::format("crc {:08x}\n", base::crc32c(0, base::as_bytes(out)));
  return out;
}

std::optional<ImportCheckpoint> read_import_checkpoint(std::string_view text) {
  auto rest = text;
  ImportCheckpoint out;
  if (line(rest, "baton-import") != "1" || !number(line(rest, "events"), 10, out.events) || !number(line(rest, "hash"), 16, out.hash)) return std::nullopt;
  const auto position = line(rest, "position");
  const auto covered = text.size() - rest.size();
  std::uint32_t crc = 0;
  if (!position || !number(line(rest, "crc"), 16, crc) || !rest.empty()) return std::nullopt;
  if (crc != base::crc32c(0, base::as_bytes(text.substr(0, covered)))) return std::nullopt;
  out.position.token = *position;
  return out;
}

ImportCheckpointFile::ImportCheckpointFile(os::FileSystem& fs, std::string data_directory, std::uint64_t identity)
    : fs_(fs), directory_(os::join(data_directory, "checkpoints")), path_(os::join(directory_, fmt::format("import-{:016x}", identity))) {}

Status ImportCheckpointFile::save(const ImportCheckpoint& checkpoint, const std::string& temporary) {
  BATON_TRY(os::make_directories(fs_, directory_));
  return os::replace_file(fs_, path_, base::as_bytes(write_import_checkpoint(checkpoint)), temporary);
}

std::optional<ImportCheckpoint> ImportCheckpointFile::load(Store& store, const std::string& context) {
  const auto content = os::read_file(fs_, path_, 64u << 10);
  if (!content) return std::nullopt;
  auto out = read_import_checkpoint(base::as_text(*content));
  if (!out || out->events == 0 || out->position.is_beginning()) return std::nullopt;
  if (!store.rank(context, out->position)) return std::nullopt;
  return out;
}

Status ImportCheckpointFile::remove() {
  const Status removed = fs_.remove(path_);
  if (!removed) return removed.error().code == Code::not_found ? Status() : removed;
  return fs_.sync_directory(directory_);
}

std::uint64_t hash_further(std::uint64_t hash, std::uint32_t event, std::int64_t time_ns, std::string_view payload) {
  char key[20];
  base::store_le<std::uint64_t>(key, hash);
  base::store_le<std::uint32_t>(key + 8, event);
  base::store_le<std::int64_t>(key + 12, time_ns);
  return base::hash64(payload, base::hash64({key, sizeof key}));
}

}  // namespace baton::cli
