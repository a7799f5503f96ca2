// A process on the simulated machine whose looks at the file system can be told of: what another process does in between is done there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "os/sim_env.h"

namespace baton::store::testing {

// Tells of every look at the file system before it happens, but for those that the one who is told makes.
class WatchedFiles final : public os::FileSystem {
 public:
  explicit WatchedFiles(os::FileSystem& fs) : fs_(fs) {}

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenOptions options) override {
    tell(path);
    auto file = fs_.open(path, options);
    if (file && opened) opened(path);
    return file;
  }
  Status rename(const std::string& from, const std::string& to) override { return fs_.rename(from, to); }
  Status remove(const std::string& path) override { return fs_.remove(path); }
  Status make_directory(const std::string& path) override { return fs_.make_directory(path); }
  Status sync_directory(const std::string& path) override { return fs_.sync_directory(path); }
  Result<std::vector<os::DirectoryEntry>> list(const std::string& path) override {
    tell(path);
    return fs_.list(path);
  }
  Result<bool> exists(const std::string& path) override {
    tell(path);
    return fs_.exists(path);
  }
  Result<os::SpaceInfo> space(const std::string& path) override { return fs_.space(path); }
  Status sync_all(const std::string& path) override { return fs_.sync_all(path); }

  std::function<void(const std::string&)> watch;
  std::function<void(const std::string&)> opened;

 private:
  void tell(const std::string& path) {
    if (!watch || std::exchange(telling_, true)) return;
    watch(path);
    telling_ = false;
  }

  os::FileSystem& fs_;
  bool telling_ = false;
};

class WatchedEnv final : public os::Env {
 public:
  explicit WatchedEnv(os::SimWorld& world) : env_(world), fs_(env_.fs()) {}

  os::FileSystem& fs() override { return fs_; }
  os::Clock& clock() override { return env_.clock(); }
  os::Random& random() override { return env_.random(); }
  std::unique_ptr<os::Executor> make_executor(std::string name) override { return env_.make_executor(std::move(name)); }
  std::unique_ptr<Waiter> make_waiter() override { return env_.make_waiter(); }
  std::string boot_id() override { return env_.boot_id(); }
  std::int64_t process_id() override { return env_.process_id(); }

  std::function<void(const std::string&)>& watch() { return fs_.watch; }
  std::function<void(const std::string&)>& opened() { return fs_.opened; }

 private:
  os::SimEnv env_;
  WatchedFiles fs_;
};

}  // namespace baton::store::testing
