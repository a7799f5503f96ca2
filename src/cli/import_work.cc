#include "cli/import_work.h"

#include <array>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/try.h"
#include "os/file.h"
#include "os/terminal.h"

namespace baton::cli {
namespace {

constexpr std::string_view kPrefix = "import-";
constexpr const char* kLock = "LOCK";
constexpr std::size_t kPieceBytes = 1u << 20;

// What killed imports have left, as far as it can be removed. One that is just being made has no lock yet: it notices, and begins anew.
void remove_left(os::FileSystem& fs, const std::string& parent) {
  const auto entries = fs.list(parent);
  if (!entries) return;
  for (const auto& entry : *entries) {
    if (!entry.is_directory || !entry.name.starts_with("import")) continue;  // "import" is what earlier versions called it
    const std::string path = os::join(parent, entry.name);
    if (const auto file = fs.open(os::join(path, kLock), {.write = true})) {
      const auto taken = (*file)->try_lock(os::LockKind::exclusive, 0, 0);
      if (taken && *taken) (void)os::remove_tree(fs, path);
    } else if (entry.name.starts_with(kPrefix)) {
      (void)fs.remove(path);  // only when it is empty
    } else {
      (void)os::remove_tree(fs, path);
    }
  }
}

}  // namespace

Result<std::unique_ptr<ImportWork>> ImportWork::open(os::Env& env, const std::string& data_directory) {
  constexpr int kTries = 20;
  const std::string parent = os::join(data_directory, "tmp");
  BATON_TRY_ASSIGN(const bool there, env.fs().exists(data_directory));
  remove_left(env.fs(), parent);
  for (int tries = 1;; ++tries) {
    std::array<std::byte, 4> random{};
    env.random().fill(random);
    const std::string name = std::string(kPrefix) + std::to_string(env.process_id()) + "-" + base::to_hex(random);
    std::unique_ptr<ImportWork> work(new ImportWork(env.fs(), data_directory, os::join(parent, name)));
    work->made_ = !there;
    // Another import, which begins or ends, may remove what has no lock yet, or the directory above.
    const Status made = [&]() -> Status {
      BATON_TRY(os::make_directories(env.fs(), work->directory_));
      BATON_TRY_ASSIGN(work->lock_, env.fs().open(work->path(kLock), {.write = true, .create = true}));
      BATON_TRY_ASSIGN(const bool locked, work->lock_->try_lock(os::LockKind::exclusive, 0, 0));
      if (!locked) return Error{Code::locked, work->directory_ + " is in use by another import"};
      BATON_TRY_ASSIGN(const bool still, env.fs().exists(work->path(kLock)));
      return still ? Status() : Status(Error{Code::not_found, work->directory_ + " was removed by another import"});
    }();
    if (made) return work;
    if (tries == kTries || (made.error().code != Code::not_found && made.error().code != Code::locked)) return made.error();
  }
}

ImportWork::~ImportWork() {
  (void)os::remove_tree(fs_, directory_);
  // Of a store that was not made after all nothing stays; a directory that is not empty does.
  (void)fs_.remove(os::join(data_directory_, "tmp"));
  if (made_) (void)fs_.remove(data_directory_);
}

namespace {

// Nothing: there is nothing yet, and somebody may want to stop. Of a pipe that has a name that is not asked.
Result<std::optional<std::size_t>> read_some(os::File& file, bool standard, std::uint64_t at, base::MutableByteView out) {
  constexpr int kLookMs = 200;
  if (standard) return os::read_standard_input(out, kLookMs);
  BATON_TRY_ASSIGN(const std::size_t got, file.read_at(at, out));
  return std::optional(got);
}

}  // namespace

Result<ImportInput> open_import_input(os::Env& env, const std::string& file, const std::function<Result<ImportWork*>()>& work,
                                      const std::function<bool()>& stop) {
  const bool standard = file == "-" || file == "/dev/stdin";
  ImportInput out{.path = standard ? "/dev/stdin" : file, .name = standard ? "standard input" : file, .rejects = standard ? "import.rejects.csv" : file + ".rejects.csv"};
  BATON_TRY_ASSIGN(const auto in, env.fs().open(out.path, {}));
  BATON_TRY_ASSIGN(const std::uint64_t size, in->size());
  if (size > 0) return out;
  // Nothing has a size of 0 that has bytes, but what gives them once.
  base::Bytes buffer(kPieceBytes);
  std::unique_ptr<os::File> kept;
  for (std::uint64_t at = 0;;) {
    // An interrupt ends what feeds the pipe, too: its end is no end then.
    BATON_TRY_ASSIGN(const auto got, read_some(*in, standard, at, buffer));
    if (stop && stop()) return Error{Code::cancelled, "stopped while " + out.name + " was read; nothing was appended"};
    if (!got) continue;
    if (*got == 0) return out;
    if (kept == nullptr) {
      BATON_TRY_ASSIGN(ImportWork* const place, work());
      out.path = place->path("input");
      out.rejects = "import.rejects.csv";
      BATON_TRY_ASSIGN(kept, env.fs().open(out.path, {.write = true, .create = true, .exclusive = true}));
    }
    BATON_TRY(kept->write_at(at, base::ByteView(buffer).first(*got)));
    at += *got;
  }
}

}  // namespace baton::cli
