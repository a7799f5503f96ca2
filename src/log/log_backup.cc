// Backup: files that are a consistent prefix of the store.
#include <algorithm>

#include "base/try.h"
#include "log/log_impl.h"

namespace baton::log {
namespace {

// What else a store keeps that is not derived: heads snapshots, and named checkpoints.
Status add_files(os::FileSystem& fs, const std::string& root, const std::string& relative, std::string_view prefix,
                 std::vector<Log::BackupPlan::CopiedFile>& files) {
  const auto entries = fs.list(os::join(root, relative));
  if (!entries && entries.error().code == Code::not_found) return {};
  if (!entries) return entries.error();
  for (const auto& entry : *entries) {
    if (entry.is_directory || !entry.name.starts_with(prefix) || entry.name.ends_with(".tmp")) continue;
    const std::string name = os::join(relative, entry.name);
    BATON_TRY_ASSIGN(const auto file, fs.open(os::join(root, name), {}));
    BATON_TRY_ASSIGN(const std::uint64_t size, file->size());
    files.push_back({name, size});
  }
  return {};
}

}  // namespace

// After a checkpoint the marks attest everything, and the journal's newest generation says where each partition ends.
Result<Log::BackupPlan> LogImpl::plan_backup() {
  BATON_TRY(check_open());
  BATON_TRY(checkpoint_now());
  BackupPlan plan;
  plan.hold = backup_hold_.lock();
  if (!plan.hold) plan.hold = std::make_shared<int>(0);
  backup_hold_ = plan.hold;
  plan.files.push_back({"catalogue", catalogue_->bytes()});
  plan.files.push_back({"journal/" + decimal_name(journal_->generation()), journal_->position()});
  for (const auto& [key, tail] : tails_) {
    if (tail->removed) continue;
    for (const auto& segment : *tail->partition->segments()) {
      if (segment->end() == 0) continue;
      BATON_TRY_ASSIGN(const auto marks, fs_.open(segment->marks_path(), {}));
      BATON_TRY_ASSIGN(const std::uint64_t marks_bytes, marks->size());
      plan.files.push_back({segment->relative_log_path(), segment->end()});
      plan.files.push_back({segment->relative_marks_path(), marks_bytes});
    }
    BATON_TRY(add_files(fs_, directory_, tail->directory, "heads-", plan.files));
  }
  BATON_TRY(add_files(fs_, directory_, "checkpoints", "", plan.files));
  return plan;
}

Status LogImpl::backup(const CopyFile& copy) {
  BATON_TRY_ASSIGN(const auto plan, plan_backup());
  for (const auto& file : plan.files) BATON_TRY(copy(file.relative_path, file.bytes));
  return {};
}

}  // namespace baton::log
