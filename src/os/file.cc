#include "os/file.h"

#include "base/try.h"

namespace baton::os {

std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string parent(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(path.substr(0, slash));
}

Status check_direct(std::uint64_t offset, base::ByteView data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data.data());
  if ((offset | data.size() | address) % kDirectBytes == 0) return {};
  return Error{Code::invalid_argument, "a direct write of " + std::to_string(data.size()) + " bytes at " + std::to_string(offset) +
                                           ": offset, length and address must be multiples of " + std::to_string(kDirectBytes)};
}

Status make_directories(FileSystem& fs, const std::string& path) {
  if (path.empty()) return Error{Code::invalid_argument, "make_directories: the path is empty"};
  const std::string above = parent(path);
  BATON_TRY_ASSIGN(const bool there, fs.exists(path));
  if (there) {
    // A process that was killed between make_directory and sync_directory left a name that is not durable yet. It can
    // only be the deepest one. A parent that we may not even list was made by somebody else.
    if (path == above || path == ".") return {};
    if (auto synced = fs.sync_directory(above); !synced && fs.list(above).ok()) return synced;
    return {};
  }
  BATON_TRY(make_directories(fs, above));
  BATON_TRY(fs.make_directory(path));
  return fs.sync_directory(above);
}

Result<base::Bytes> read_state_file(FileSystem& fs, const std::string& path, std::uint64_t limit) {
  auto content = read_file(fs, path, limit);
  if (content || content.error().code != Code::too_large) return content;
  return Error{Code::corrupt, path + ", position " + std::to_string(limit) + ": the file goes on, and never has more than that"};
}

Result<base::Bytes> read_file(FileSystem& fs, const std::string& path, std::uint64_t limit) {
  BATON_TRY_ASSIGN(const auto file, fs.open(path, {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
  if (size > limit) {
    return Error{Code::too_large,
                 "read " + path + ": the file has " + std::to_string(size) + " bytes, more than " + std::to_string(limit)};
  }
  base::Bytes content(size);
  BATON_TRY_ASSIGN(const std::size_t got, file->read_at(0, content));
  content.resize(got);
  if (size > 0) return content;
  // A pipe has no size: it is read to its end.
  constexpr std::size_t kPiece = 64u << 10;
  for (;;) {
    const std::size_t before = content.size();
    content.resize(before + kPiece);
    BATON_TRY_ASSIGN(const std::size_t more, file->read_at(before, base::MutableByteView(content).subspan(before)));
    content.resize(before + more);
    if (more == 0) return content;
    if (content.size() > limit) return Error{Code::too_large, "read " + path + ": there are more than " + std::to_string(limit) + " bytes"};
  }
}

Status replace_file(FileSystem& fs, const std::string& path, base::ByteView content) { return replace_file(fs, path, content, path + ".tmp"); }

Status replace_file(FileSystem& fs, const std::string& path, base::ByteView content, const std::string& temporary) {
  {
    BATON_TRY_ASSIGN(const auto file, fs.open(temporary, {.write = true, .create = true, .truncate = true}));
    BATON_TRY(file->write_at(0, content));
    BATON_TRY(file->sync_data());
  }
  BATON_TRY(fs.rename(temporary, path));
  return fs.sync_directory(parent(path));
}

Status remove_tree(FileSystem& fs, const std::string& path) {
  BATON_TRY_ASSIGN(const bool there, fs.exists(path));
  if (!there) return {};
  if (fs.remove(path)) return {};  // a file, what is empty, or a link, which is not followed
  if (auto entries = fs.list(path)) {
    for (const auto& entry : *entries) {
      const std::string child = join(path, entry.name);
      BATON_TRY(entry.is_directory ? remove_tree(fs, child) : fs.remove(child));
    }
  }
  return fs.remove(path);
}

}  // namespace baton::os
