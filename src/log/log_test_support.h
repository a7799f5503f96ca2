// What the tests of the log share: a directory that goes away, executors that run when they are told, batches of one record.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "log/batch.h"
#include "log/log.h"
#include "os/env.h"

namespace baton::log {

// Runs tasks in the calling thread, when run() is called.
class ManualExecutor final : public os::Executor {
 public:
  void post(os::Task task) override { tasks_.push_back(std::move(task)); }
  os::TimerId run_at(std::int64_t, os::Task) override { return 0; }
  bool cancel(os::TimerId) override { return false; }
  bool on_executor() const override { return true; }
  bool run() {
    bool any = false;
    while (!tasks_.empty()) {
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
      any = true;
    }
    return any;
  }

 private:
  std::deque<os::Task> tasks_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "baton-log-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline base::Bytes make_batch(std::string_view value, std::int64_t timestamp = 1000, int records = 1) {
  BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add(timestamp, base::as_bytes("key"), base::as_bytes(value), {});
  return builder.finish(timestamp).value();
}

// The values of the records in a run of batches, with their offsets.
inline std::vector<std::pair<std::int64_t, std::string>> values_of(base::ByteView batches) {
  std::vector<std::pair<std::int64_t, std::string>> out;
  while (!batches.empty()) {
    const auto header = check_batch(batches);
    EXPECT_TRUE(header.ok());
    if (!header) break;
    const auto status = for_each_record(batches.first(header->total_bytes()), {}, [&](const RecordView& record) -> Status {
      out.emplace_back(record.offset.value(), std::string(base::as_text(record.value.value_or(base::ByteView()))));
      return {};
    });
    EXPECT_TRUE(status.ok());
    batches = batches.subspan(header->total_bytes());
  }
  return out;
}

using Values = std::vector<std::pair<std::int64_t, std::string>>;  // offset and value

inline Values read_all(const PartitionReader& reader) {
  Values out;
  Offset from = reader.bounds().log_start;
  while (true) {
    base::Bytes bytes;
    const auto got = reader.read(from, 4096, bytes);
    if (!got) {
      ADD_FAILURE() << got.error().to_string();
      return out;
    }
    if (!got->first) return out;
    for (auto& value : values_of(bytes)) out.push_back(std::move(value));
    from = got->next;
  }
}

#define ASSERT_OK(expression)                                   \
  do {                                                          \
    const auto& result_of_it = (expression);                    \
    ASSERT_TRUE(result_of_it.ok()) << result_of_it.error().to_string(); \
  } while (false)
#define EXPECT_OK(expression)                                   \
  do {                                                          \
    const auto& result_of_it = (expression);                    \
    EXPECT_TRUE(result_of_it.ok()) << result_of_it.error().to_string(); \
  } while (false)

// A log on the real machine, whose rounds run when a test says so.
class LogTest : public testing::Test {
 protected:
  Result<std::unique_ptr<Log>> open(LogOptions options = {}) {
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    return Log::open(*env_, directory_.path(), options, owner_, worker_);
  }
  void reopen(LogOptions options = {}) {
    log_.reset();
    auto opened = open(std::move(options));
    ASSERT_OK(opened);
    log_ = std::move(*opened);
  }
  PartitionKey make_topic(const std::string& name, TopicKind kind = TopicKind::event, const Settings& settings = {}) {
    const auto id = log_->create_topic(name, kind, 1, settings);
    EXPECT_OK(id);
    return {*id, PartitionId(0)};
  }
  void flush() {
    auto job = log_->begin_flush();
    ASSERT_NE(job, nullptr);
    job->run();
    ASSERT_OK(log_->end_flush(std::move(job)));
  }
  void append(const PartitionKey& key, const std::string& value) {
    ASSERT_OK(log_->stage(key, make_batch(value, log_->append_time_ms())));
    flush();
  }
  void settle() {
    while (worker_.run() || owner_.run()) {
    }
  }

  std::unique_ptr<os::Env> env_ = os::make_posix_env();
  TemporaryDirectory directory_;
  ManualExecutor owner_;
  ManualExecutor worker_;
  std::vector<std::string> warnings_;
  std::unique_ptr<Log> log_;
};

}  // namespace baton::log
