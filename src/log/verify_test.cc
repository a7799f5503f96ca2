// verify(): clean stores are clean whatever state they were left in, and every damaged byte is found.
#include <algorithm>
#include <map>

#include "log/log.h"
#include "log/log_test_support.h"
#include "log/marks.h"
#include "log/recovery.h"
#include "log/segment.h"
#include "os/sim_env.h"

namespace baton::log {
namespace {

class Verify : public testing::Test {
 protected:
  Verify() { start(); }
  ~Verify() override { stop(); }

  void start() {
    env_ = std::make_unique<os::SimEnv>(world_);
    LogOptions options;
    options.journal_bytes = 64 << 10;
    auto opened = Log::open(*env_, "/data", options, owner_, worker_);
    ASSERT_OK(opened);
    log_ = std::move(*opened);
  }
  void stop() {
    log_.reset();
    while (owner_.run() || worker_.run()) {}
    env_.reset();
  }
  void close() {
    ASSERT_OK(log_->close());
    stop();
  }

  void append(const PartitionKey& key, int n) {
    ASSERT_OK(log_->stage(key, make_batch(std::to_string(n) + std::string(300, 'x'), log_->append_time_ms(), 2)));
    auto job = log_->begin_flush();
    job->run();
    ASSERT_OK(log_->end_flush(std::move(job)));
  }
  void settle() {
    while (worker_.run() || owner_.run()) {}
  }
  // Two topics of several segments each.
  void fill(int batches = 30) {
    const Settings small{{"segment.bytes", "4096"}};
    if (log_->catalogue().topics.empty()) {
      rides_ = {log_->create_topic("rides", TopicKind::event, 1, small).value(), PartitionId(0)};
      clicks_ = {log_->create_topic("clicks", TopicKind::plain, 1, small).value(), PartitionId(0)};
    }
    for (int i = 0; i < batches; ++i) {
      append(rides_, i);
      if (i % 2 == 0) append(clicks_, i);
      if (i % 4 == 0) settle();
    }
    settle();
  }

  using Contents = std::map<std::string, base::Bytes>;
  Contents contents() {
    Contents out;
    for (const auto& file : world_.disk().files()) out[file.path] = *world_.disk().read(file.path);
    return out;
  }
  // By another process, and it changes nothing.
  VerifyReport run(std::optional<Hash256> root = std::nullopt) {
    os::SimEnv env(world_);
    auto report = verify(env, "/data", root, {});
    EXPECT_OK(report);
    return report ? *std::move(report) : VerifyReport{};
  }
  static std::string text_of(const VerifyReport& report) {
    std::string text;
    for (const auto& f : report.findings) text += f.file + " at " + std::to_string(f.position) + ": " + f.what + "\n";
    return text;
  }
  void expect_clean() {
    const auto before = contents();
    const auto report = run();
    EXPECT_EQ(text_of(report), "");
    EXPECT_TRUE(before == contents());
    EXPECT_GT(report.records, 0u);
  }
  std::vector<std::string> files_with(std::string_view extension) {
    std::vector<std::string> out;
    for (const auto& file : world_.disk().files()) {
      if (file.path.ends_with(extension)) out.push_back(file.path);
    }
    return out;
  }
  // Each byte of [0, end), or a part of them, is damaged by one bit in turn.
  void expect_found(const std::string& path, std::uint64_t end, std::uint64_t stride = 1) {
    const std::string relative = path.substr(std::string("/data/").size());
    const auto before = contents();
    for (std::uint64_t at = 0; at < end; at += stride) {
      const auto bit = static_cast<unsigned>(at % 8);
      world_.disk().flip_bit(path, at, bit);
      const auto report = run();
      const bool named = std::ranges::any_of(report.findings, [&](const Finding& f) { return f.file == relative; });
      EXPECT_TRUE(named) << relative << ", bit " << bit << " of byte " << at << ":\n" << text_of(report);
      world_.disk().flip_bit(path, at, bit);
      if (HasFailure()) return;
    }
    EXPECT_TRUE(before == contents());
  }
  MarksContent marks_of(const std::string& path) {
    const bool event = path.find(topic_directory(rides_.topic)) != std::string::npos;
    const auto name = path.substr(path.rfind('/') + 1);
    return parse_marks(*world_.disk().read(path), event ? rides_ : clicks_, Offset(std::stoll(name))).value();
  }

  os::SimWorld world_{os::SimOptions{.seed = 5}};
  ManualExecutor owner_, worker_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Log> log_;
  PartitionKey rides_, clicks_;
};

TEST_F(Verify, AStoreThatWasClosedIsClean) {
  fill();
  close();
  expect_clean();
  const auto report = run();
  EXPECT_EQ(report.batches, 45u);
  EXPECT_EQ(report.records, 90u);
  EXPECT_GE(report.segments, 5u);
}

TEST_F(Verify, AStoreWithoutAnEventIsClean) {
  EXPECT_EQ(text_of(run()), "");
  close();
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(Verify, AStoreWhoseWriterWasKilledIsClean) {
  fill();
  for (int i = 0; i < 5; ++i) append(rides_, i);
  // One that goes to the segment itself, and one behind it.
  ASSERT_OK(log_->stage(rides_, make_batch(std::string(150'000, 'y'), log_->append_time_ms(), 2)));
  auto job = log_->begin_flush();
  job->run();
  ASSERT_OK(log_->end_flush(std::move(job)));
  append(rides_, 5);
  env_->kill();
  stop();
  expect_clean();
  const auto report = run();
  EXPECT_EQ(report.records + report.journal_records, 2u * (30 + 15 + 5 + 1 + 1));
  EXPECT_GE(report.journal_records, 2u * (5 + 1 + 1));
  start();
  fill(3);
  close();
  expect_clean();
}

TEST_F(Verify, AStoreThatWasKilledInAnyOperationIsClean) {
  for (std::uint64_t n = 1; n < 400; n += 7) {
    env_->kill_in(n + 60);
    const bool ended = [&] {
      for (int i = 0; i < 20; ++i) {
        if (rides_.topic == TopicId{} || log_->reader(rides_) == nullptr) {
          const auto made = log_->create_topic("rides" + std::to_string(n), TopicKind::event, 1, {{"segment.bytes", "4096"}});
          if (!made) return true;
          rides_ = {*made, PartitionId(0)};
        }
        if (!log_->stage(rides_, make_batch(std::string(700, 'x'), log_->append_time_ms()))) return true;
        auto job = log_->begin_flush();
        job->run();
        if (!log_->end_flush(std::move(job))) return true;
        settle();
      }
      return !env_->alive();
    }();
    (void)ended;
    env_->kill();
    stop();
    auto report = run();
    EXPECT_EQ(text_of(report), "") << "killed in operation " << n;
    if (n % 3 == 0) {
      world_.disk().cut_power();
      world_.disk().restart();
      report = run();
      EXPECT_EQ(text_of(report), "") << "killed in operation " << n << ", and then the power failed";
    }
    start();
    std::uint64_t recovered = 0;
    for (const auto& partition : log_->stats()) recovered += static_cast<std::uint64_t>(partition.bounds.visible.value());
    EXPECT_EQ(report.records + report.journal_records, recovered) << "killed in operation " << n;
  }
}

TEST_F(Verify, AStoreThatLostItsPowerIsClean) {
  fill();
  for (int i = 0; i < 5; ++i) append(rides_, i);
  world_.disk().cut_power();
  stop();
  world_.disk().restart();
  expect_clean();
}

TEST_F(Verify, ItIsCleanBesideAWriter) {
  fill();
  expect_clean();
  append(rides_, 100);
  expect_clean();
  ASSERT_OK(log_->stage(rides_, make_batch("staged", 1)));
  auto job = log_->begin_flush();
  job->run();
  expect_clean();
  ASSERT_OK(log_->end_flush(std::move(job)));
  // The segment before the open one is not sealed yet.
  for (int i = 0; i < 12; ++i) {
    append(rides_, i);
    append(clicks_, i);
    expect_clean();
  }
  EXPECT_EQ(run().records, 2u * (30 + 15 + 1 + 24) + 1);
}

TEST_F(Verify, EveryByteOfASegmentCounts) {
  fill(16);
  close();
  for (const auto& path : files_with(".log")) {
    std::string marks = path;
    marks.replace(marks.size() - 4, 4, ".marks");
    expect_found(path, marks_of(marks).end.end_position, 3);
  }
}

TEST_F(Verify, EveryByteOfTheMarksCounts) {
  fill(16);
  close();
  for (const auto& path : files_with(".marks")) expect_found(path, marks_of(path).end.file_bytes);
}

TEST_F(Verify, EveryByteOfTheCatalogueCounts) {
  fill(16);
  close();
  // The last record, alone, may be one that was never finished.
  expect_found("/data/catalogue", world_.disk().read("/data/catalogue")->size() - 512, 1);
}

TEST_F(Verify, DamageBesideAWriterIsFound) {
  fill();
  log_->checkpoint([](const Status&) {});
  settle();
  const auto logs = files_with(".log");
  expect_found(logs.front(), 3500, 101);
  expect_found(logs.back(), 300, 7);
}

TEST_F(Verify, AMissingFileIsFound) {
  using namespace std::string_literals;
  fill();
  const auto seals = log_->catalogue().seals;
  close();
  const auto whole = contents();
  for (const auto& extension : {".log", ".marks"}) {
    for (const auto& path : files_with(extension)) {
      world_.disk().remove(path);
      const auto report = run();
      const std::string relative = path.substr(std::string("/data/").size());
      // Of a plain topic nothing says what the missing one was called: the one beside it is named.
      const bool sealed = std::ranges::any_of(seals, [&](const Seal& seal) {
        return relative.starts_with(os::join(partition_directory(seal.partition), segment_file_name(seal.base_offset, "")));
      });
      const std::string named = sealed || extension == ".marks"s ? relative : os::parent(relative);
      EXPECT_NE(text_of(report).find(named), std::string::npos) << relative << "\n" << text_of(report);
      world_.disk().write(path, whole.at(path));
    }
  }
  expect_clean();
}

TEST_F(Verify, ASegmentThatIsTooShortOrTooLongIsFound) {
  fill();
  close();
  const auto path = "/data/" + os::join(partition_directory(rides_), segment_file_name(Offset(0), ".log"));
  const auto whole = *world_.disk().read(path);
  for (const std::size_t size : {whole.size() - 1, whole.size() / 2, std::size_t{0}, whole.size() + 1}) {
    auto changed = whole;
    changed.resize(size);
    world_.disk().write(path, changed);
    EXPECT_NE(text_of(run()).find(".log"), std::string::npos) << size;
  }
  world_.disk().write(path, whole);
  expect_clean();
}

TEST_F(Verify, RootsOfTheHistoryAreKnownAndOthersAreNot) {
  fill();
  std::vector<Hash256> roots;
  for (const auto& seal : log_->catalogue().seals) roots.push_back(seal.root);
  ASSERT_GE(roots.size(), 2u);
  close();
  for (const auto& root : roots) {
    const auto report = run(root);
    EXPECT_TRUE(report.root_found);
    EXPECT_EQ(text_of(report), "");
    EXPECT_EQ(report.root, roots.back());
  }
  Hash256 other = roots.front();
  other[3] ^= 1;
  const auto report = run(other);
  EXPECT_FALSE(report.root_found);
  EXPECT_EQ(report.findings.size(), 1u) << text_of(report);
}

TEST_F(Verify, WhatARetentionRemovedIsNoted) {
  fill();
  const Hash256 root = log_->catalogue().seals.front().root;
  const Offset start = log_->catalogue().seals.front().next_offset;
  ASSERT_OK(log_->remove_before(rides_, start, [](const PartitionKey&, Offset at) { return Result<Offset>(at); }));
  settle();
  expect_clean();
  close();
  expect_clean();
  const auto report = run(root);
  EXPECT_TRUE(report.root_found);
  EXPECT_TRUE(std::ranges::any_of(
      report.notes, [](const std::string& note) { return note.find("removed by retention") != std::string::npos; }));
}

TEST_F(Verify, ATopicThatIsRemovedMeanwhileIsNotMissing) {
  fill();
  for (const bool all : {true, false}) {
    if (!all) fill();  // what is left
    bool removed = false;
    const auto report = verify(*env_, "/data", std::nullopt, [&](std::uint64_t, std::uint64_t) {
      if (!std::exchange(removed, true)) {
        ASSERT_OK(log_->remove_topic(all ? clicks_.topic : rides_.topic));
        settle();
      }
    });
    ASSERT_OK(report);
    EXPECT_TRUE(removed);
    for (const auto& finding : report->findings) ADD_FAILURE() << finding.file << ": " << finding.what;
    if (!all) return;
    clicks_ = {log_->create_topic("clicks", TopicKind::plain, 1, {{"segment.bytes", "4096"}}).value(), PartitionId(0)};
  }
}

TEST_F(Verify, ADirectoryWithoutAStoreIsAnErrorAndNotAFinding) {
  os::SimEnv env(world_);
  const auto report = verify(env, "/elsewhere", std::nullopt, {});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::not_found);
}

TEST_F(Verify, ProgressEndsAtItsTotal) {
  fill();
  close();
  os::SimEnv env(world_);
  std::uint64_t last = 0, total = 0;
  ASSERT_OK(verify(env, "/data", std::nullopt, [&](std::uint64_t done, std::uint64_t of) {
    EXPECT_GE(done, last);
    last = done;
    total = of;
  }));
  EXPECT_GT(last, 0u);
  EXPECT_EQ(last, total);
}

}  // namespace
}  // namespace baton::log
