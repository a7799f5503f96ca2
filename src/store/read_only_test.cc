// A store that is opened read-only, beside a writer on the simulated machine: what its readers see while it takes in what is new.
#include <functional>
#include <utility>

#include "store/read_only_store.h"
#include "store/store_test_support.h"

namespace baton::store::testing {
namespace {

// Tells of every look at the file system before it happens, but for those that the one who is told makes.
class WatchedFiles final : public os::FileSystem {
 public:
  explicit WatchedFiles(os::FileSystem& fs) : fs_(fs) {}

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenOptions options) override {
    tell(path);
    return fs_.open(path, options);
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

 private:
  os::SimEnv env_;
  WatchedFiles fs_;
};

class ReadOnly : public StoreTest {
 protected:
  ReadOnly() : beside_(world_) {
    options_.segment_bytes = 16 << 10;
    options_.journal_bytes = 32 << 10;
    options_.index_table_entries = 64;
    reopen();
  }
  ~ReadOnly() override { reader_ = nullptr; }

  // Event number i goes to stream i % 10, and its data begins with i.
  void append_numbers(int count) {
    for (; count > 0; --count, ++appended_) {
      const std::string data = std::to_string(appended_) + std::string(300, ' ');
      ASSERT_FALSE(appended("ride-" + std::to_string(appended_ % 10), {event("A", data)}).events.empty());
    }
  }
  void open_reader() {
    auto opened = open_read_only(beside_, "/data", {});
    ASSERT_TRUE(opened) << opened.error().to_string();
    reader_ = *std::move(opened);
  }
  // As `look` sees it before each step of the refresh, which is where another thread may read.
  int refresh_watched(const std::function<void(const std::string&)>& look) {
    int looks = 0;
    beside_.watch() = [&](const std::string& path) {
      ++looks;
      look(path);
    };
    const Status done = reader_->refresh();
    EXPECT_TRUE(done) << done.error().to_string();
    beside_.watch() = nullptr;
    return looks;
  }

  WatchedEnv beside_;
  std::unique_ptr<Store> reader_;
  int appended_ = 0;
};

TEST_F(ReadOnly, AReadDoesNotWaitForARefreshThatIsAtWork) {
  append_numbers(10);
  open_reader();
  append_numbers(100);
  const int looks = refresh_watched([&](const std::string& path) {
    const auto head = reader_->stream_head("rides", "ride-3");
    ASSERT_TRUE(head) << head.error().to_string() << ", before " << path;
  });
  EXPECT_GT(looks, 0);
  EXPECT_EQ(reader_->stream_head("rides", "ride-3")->last_version, 10);
}

}  // namespace
}  // namespace baton::store::testing
