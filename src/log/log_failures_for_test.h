// A log on a simulated machine, for the tests of what may fail.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/journal.h"
#include "log/journal_reader.h"
#include "log/log_test_support.h"
#include "os/sim_env.h"

namespace baton::log {

inline constexpr char kDirectory[] = "/data";

class LogFailures : public testing::Test {
 protected:
  ~LogFailures() override { stop(); }

  Result<std::unique_ptr<Log>> try_open(LogOptions options = {}) {
    if (!env_) {
      env_ = std::make_unique<os::SimEnv>(world_);
      owner_ = env_->make_executor("owner");
      worker_ = env_->make_executor("worker");
    }
    options.warn = [this](const std::string& text) { warnings_.push_back(text); };
    options.reserve_bytes = reserve_;
    return Log::open(*env_, kDirectory, options, *owner_, *worker_);
  }
  void open(LogOptions options = {}) {
    auto opened = try_open(std::move(options));
    ASSERT_OK(opened);
    log_ = std::move(*opened);
  }
  void stop() {
    log_.reset();
    owner_.reset(), worker_.reset(), env_.reset();
  }
  void kill() { env_->kill(), stop(); }
  void lose_power() {
    world_.disk().cut_power();
    stop();
    world_.disk().restart();
    world_.disk().faults = {};
  }
  void make_topic(const Settings& settings = {}, TopicKind kind = TopicKind::event) {
    const auto id = log_->create_topic("rides", kind, 1, settings);
    ASSERT_OK(id);
    key_ = {*id, PartitionId(0)};
  }
  Status append(const std::string& value, int records = 1) {
    if (auto staged = log_->stage(key_, make_batch(value, log_->append_time_ms(), records)); !staged) return staged.error();
    auto job = log_->begin_flush();
    job->run();
    return log_->end_flush(std::move(job));
  }
  void mark() {  // idling puts the last round under a mark
    world_.advance(2'000'000'000);
    (void)log_->tick();
  }
  Values values() { return read_all(*log_->reader(key_)); }
  std::string segment(const char* extension = ".log") {
    return std::string(kDirectory) + "/topics/" + key_.topic.to_hex() + "/0/00000000000000000000" + extension;
  }
  std::string journal() {
    std::string newest;
    for (const auto& file : world_.disk().files()) {
      if (file.path.starts_with("/data/journal/0")) newest = file.path;
    }
    return newest;
  }
  // Where the records of the newest journal file begin; the last entry is where the next one would.
  std::vector<std::uint64_t> record_positions() {
    const auto bytes = *world_.disk().read(journal());
    const auto header = *parse_journal_header(bytes);
    std::vector<std::uint64_t> out;
    std::uint64_t at = kJournalHeaderBytes;
    while (true) {
      const auto fixed = peek_record(base::ByteView(bytes).subspan(at));
      out.push_back(at);
      if (!fixed || fixed->generation != header.generation) return out;
      at += record_file_bytes(fixed->total_bytes);
    }
  }
  void flip(const std::string& path, std::uint64_t at) { world_.disk().flip_bit(path, at, 3); }

  os::SimWorld world_{{.seed = 5}};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> owner_;
  std::unique_ptr<os::Executor> worker_;
  std::unique_ptr<Log> log_;
  std::vector<std::string> warnings_;
  PartitionKey key_;
  std::uint64_t reserve_ = 0;
};

}  // namespace baton::log
