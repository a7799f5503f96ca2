#include "cli/import_work.h"

#include <utility>

#include "base/bytes.h"
#include "base/try.h"
#include "os/file.h"

namespace baton::cli {
namespace {

constexpr std::string_view kPrefix = "import-";
constexpr const char* kLock = "LOCK";
constexpr std::size_t kPieceBytes = 1u << 20;

bool is_free(os::FileSystem& fs, const std::string& directory) {
  const auto file = fs.open(os::join(directory, kLock), {.write = true});
  if (!file) return file.error().code == Code::not_found;
  const auto taken = (*file)->try_lock(os::LockKind::exclusive, 0, 0);
  return taken && *taken;
}

Status remove_left(os::FileSystem& fs, const std::string& parent) {
  BATON_TRY_ASSIGN(const bool there, fs.exists(parent));
  if (!there) return {};
  BATON_TRY_ASSIGN(const auto entries, fs.list(parent));
  for (const auto& entry : entries) {
    const std::string path = os::join(parent, entry.name);
    // "import" is what earlier versions called it.
    if (entry.is_directory && (entry.name == "import" || (entry.name.starts_with(kPrefix) && is_free(fs, path)))) BATON_TRY(os::remove_tree(fs, path));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<ImportWork>> ImportWork::open(os::Env& env, const std::string& data_directory) {
  const std::string parent = os::join(data_directory, "tmp");
  BATON_TRY(remove_left(env.fs(), parent));
  std::unique_ptr<ImportWork> work(new ImportWork(env.fs(), data_directory, os::join(parent, std::string(kPrefix) + std::to_string(env.process_id()))));
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(data_directory));
  work->made_ = !there;
  BATON_TRY(os::make_directories(env.fs(), work->directory_));
  BATON_TRY_ASSIGN(work->lock_, env.fs().open(work->path(kLock), {.write = true, .create = true}));
  BATON_TRY_ASSIGN(const bool locked, work->lock_->try_lock(os::LockKind::exclusive, 0, 0));
  if (!locked) return Error{Code::locked, work->directory_ + " is in use by another import"};
  return work;
}

ImportWork::~ImportWork() {
  (void)os::remove_tree(fs_, directory_);
  // Of a store that was not made after all nothing stays; a directory that is not empty does.
  (void)fs_.remove(os::join(data_directory_, "tmp"));
  if (made_) (void)fs_.remove(data_directory_);
}

Result<ImportInput> open_import_input(os::Env& env, const std::string& file, const std::function<Result<ImportWork*>()>& work,
                                      const std::function<bool()>& stop) {
  const bool standard = file == "-" || file == "/dev/stdin";
  ImportInput out{.path = standard ? "/dev/stdin" : file, .name = standard ? "standard input" : file, .rejects = file + ".rejects.csv"};
  BATON_TRY_ASSIGN(const auto in, env.fs().open(out.path, {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, in->size());
  if (size > 0) {
    if (standard) out.rejects = "import.rejects.csv";
    return out;
  }
  // Nothing has a size of 0 that has bytes, but what gives them once.
  base::Bytes buffer(kPieceBytes);
  std::unique_ptr<os::File> kept;
  for (std::uint64_t at = 0;;) {
    BATON_TRY_ASSIGN(const std::size_t got, in->read_at(at, buffer));
    if (got == 0) return out;
    if (stop && stop()) return Error{Code::cancelled, "stopped while " + out.name + " was read; nothing was appended"};
    if (kept == nullptr) {
      BATON_TRY_ASSIGN(ImportWork* const place, work());
      out.path = place->path("input");
      out.rejects = "import.rejects.csv";
      BATON_TRY_ASSIGN(kept, env.fs().open(out.path, {.write = true, .create = true, .exclusive = true}));
    }
    BATON_TRY(kept->write_at(at, base::ByteView(buffer).first(got)));
    at += got;
  }
}

}  // namespace baton::cli
