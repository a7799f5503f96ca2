// The POSIX twin of FileSystem. Used through make_posix_env() (env.h).
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <mutex>

#include "os/file.h"

namespace baton::os {

class PosixFileSystem final : public FileSystem {
 public:
  PosixFileSystem() = default;
  ~PosixFileSystem() override;
  PosixFileSystem(const PosixFileSystem&) = delete;
  PosixFileSystem& operator=(const PosixFileSystem&) = delete;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status make_directory(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::vector<DirectoryEntry>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Status sync_all(const std::string& path) override;

 private:
  // syncfs reports a failed write-back to a descriptor that was open when it happened, and once; to a new one only if nobody has
  // seen it yet. So one descriptor for each device is kept from the first open for writing on, and what it reported.
  struct Device {
    explicit Device(int opened) : descriptor(opened) {}
    ~Device();
    Device(const Device&) = delete;
    Device& operator=(const Device&) = delete;
    const int descriptor;
    std::mutex mutex;  // held by who syncs: who waits meanwhile learns of an error, too
    Status synced;     // of all syncs so far
  };
  Device* device_of(const std::string& path, dev_t device);

  std::mutex mutex_;
  std::map<dev_t, std::unique_ptr<Device>> devices_;
};

}  // namespace baton::os
