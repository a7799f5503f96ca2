// verify_store(): indexes and heads snapshots against the log.
#include "store/verify.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <thread>

#include "store/index.h"
#include "store/index_feed.h"
#include "store/store_test_support.h"
#include "store/watched_env_for_test.h"

namespace baton::store::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StoreVerify : public StoreTest {
 protected:
  void fill(int from, int to) {
    for (int i = from; i < to; ++i) {
      appended("ride-" + std::to_string(i % 7),
               {event("A", std::to_string(i), {}, {"t:" + std::to_string(i % 3)}), event("B")});
    }
  }
  void fill_all() {
    fill(0, 60);
    ASSERT_TRUE(store_->truncate_stream("rides", "ride-1", 5, Expect::any()));
    ASSERT_TRUE(store_->delete_stream("rides", "ride-2", Expect::any()));
    fill(60, 100);
    appended("ride-2", {event("A", "again")});
  }
  void close() {
    const Status closed = store_->close();
    ASSERT_TRUE(closed) << closed.error().to_string();
    end();
  }
  void end() {
    store_ = nullptr;
    env_ = nullptr;
  }
  // By another process, and it changes nothing.
  VerifyReport run() {
    std::map<std::string, base::Bytes> before, after;
    for (const auto& file : world_.disk().files()) before[file.path] = *world_.disk().read(file.path);
    os::SimEnv env(world_);
    auto report = verify_store(env, "/data", std::nullopt, {});
    EXPECT_TRUE(report) << report.error().to_string();
    for (const auto& file : world_.disk().files()) after[file.path] = *world_.disk().read(file.path);
    EXPECT_TRUE(before == after);
    return report ? *std::move(report) : VerifyReport{};
  }
  static std::string text_of(const VerifyReport& report) {
    std::string text;
    for (const auto& f : report.log.findings) text += f.file + " at " + std::to_string(f.position) + ": " + f.what + "\n";
    return text;
  }
  std::vector<std::string> files_with(std::string_view part) {
    std::vector<std::string> out;
    for (const auto& file : world_.disk().files()) {
      if (file.path.find(part) != std::string::npos) out.push_back(file.path);
    }
    return out;
  }
  std::string index_directory() {
    const auto manifest = files_with("index/MANIFEST");
    EXPECT_EQ(manifest.size(), 1u);
    return manifest.empty() ? "" : os::parent(manifest.front());
  }
  // Writes the index anew, as one run with sound sums, with changed entries.
  void rewrite_index(const std::function<void(std::vector<IndexEntry>&)>& change) {
    os::SimEnv env(world_);
    const std::string directory = index_directory();
    std::vector<IndexEntry> entries;
    {
      auto index = Index::open(env, directory, {.read_only = true}, nullptr, nullptr).value();
      ASSERT_TRUE(index->verify([&](const IndexEntry& entry) { entries.push_back(entry); }, {}));
    }
    change(entries);
    std::ranges::sort(entries);
    auto manifest = IndexManifest::read(env.fs(), directory).value();
    RunInfo info{.number = manifest.next_number++, .entries = entries.size(), .first = 0, .end = manifest.covered.next.value()};
    auto writer = RunWriter::create(env.fs(), directory, info).value();
    for (const auto& entry : entries) writer->add(entry);
    info = writer->finish(true).value();
    for (const auto& run : manifest.runs) ASSERT_TRUE(env.fs().remove(os::join(directory, run_file_name(run.number))));
    manifest.runs = {info};
    ASSERT_TRUE(IndexManifestFile(env.fs(), directory).replace(manifest));
  }
  static IndexEntry changed(const IndexEntry& entry, const std::function<void(IndexHit&)>& change) {
    IndexHit hit = entry.unpack();
    change(hit);
    return IndexEntry::pack(entry.hash, hit);
  }
  void expect_bad_index(const std::string& what = "no event is lost: delete the directory index/ and it is rebuilt") {
    const auto report = run();
    EXPECT_FALSE(report.log.findings.empty());
    for (const auto& f : report.log.findings) {
      EXPECT_THAT(f.file, HasSubstr("/index"));
      EXPECT_THAT(f.what, HasSubstr(what));
    }
  }
};

TEST_F(StoreVerify, AnIndexThatIsAsTheLogSaysIsClean) {
  fill_all();
  EXPECT_EQ(text_of(run()), "");  // beside the writer
  close();
  const auto report = run();
  EXPECT_EQ(text_of(report), "");
  EXPECT_EQ(report.indexes, 1u);
  EXPECT_EQ(report.log.records, 203u);
  EXPECT_EQ(report.index_entries, 203u * 3 + 100);
  start();
  fill(0, 50);
  env_->kill();
  end();
  EXPECT_EQ(text_of(run()), "");
  world_.disk().cut_power();
  world_.disk().restart();
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, AStoreWithoutAnEventIsClean) {
  EXPECT_EQ(text_of(run()), "");
  close();
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, EveryByteOfAnIndexCounts) {
  fill_all();
  close();
  for (const auto& path : files_with("/index/")) {
    const auto size = world_.disk().read(path)->size();
    const std::size_t stride = size < 1000 ? 1 : 61;
    for (std::size_t at = 0; at < size; at += stride) {
      world_.disk().flip_bit(path, at, static_cast<unsigned>(at % 8));
      expect_bad_index();
      world_.disk().flip_bit(path, at, static_cast<unsigned>(at % 8));
      ASSERT_FALSE(HasFailure()) << path << ", byte " << at;
    }
  }
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, AnEntryThatIsMissingOrTooManyOrPointsElsewhereIsFound) {
  fill_all();
  close();
  rewrite_index([](auto&) {});
  EXPECT_EQ(text_of(run()), "");
  const std::vector<std::function<void(std::vector<IndexEntry>&)>> changes = {
      [](auto& e) { e.erase(e.begin() + static_cast<std::ptrdiff_t>(e.size()) / 2); },
      [](auto& e) { e.push_back(IndexEntry::pack(77, e[10].unpack())); },
      [](auto& e) { e.push_back(e[10]); },
      [](auto& e) { e[20].hash ^= 1; },
      [](auto& e) { e[20] = changed(e[20], [](IndexHit& h) { h.position = h.position.plus(1); }); },
      [](auto& e) { e[20] = changed(e[20], [](IndexHit& h) { h.record_delta += 1; }); },
      [](auto& e) { e[20] = changed(e[20], [](IndexHit& h) { h.offset = log::Offset(h.offset.value() ^ 1); }); },
      [](auto& e) { e[20] = changed(e[20], [](IndexHit& h) { h.version = StreamVersion(h.version.value() ^ 1); }); },
      // The version of a system record.
      [](auto& e) {
        for (auto& entry : e) {
          if (entry.hash == system_hash(stream_hash("ride-2"))) entry = changed(entry, [](IndexHit& h) { h.version = h.version.plus(1); });
        }
      },
      [](auto& e) {
        std::int64_t offset = -1;
        for (auto& entry : e) offset = entry.hash == system_hash(stream_hash("ride-2")) ? entry.offset() : offset;
        for (auto& entry : e) {
          const bool of_it =
              entry.offset() == offset && (entry.hash == system_hash(stream_hash("ride-2")) || entry.hash == stream_hash("ride-2"));
          if (of_it) entry = changed(entry, [](IndexHit& h) { h.version = h.version.plus(50); });
        }
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::vector<IndexEntry> whole;
    rewrite_index([&](auto& e) {
      whole = e;
      changes[i](e);
    });
    expect_bad_index();
    EXPECT_FALSE(HasFailure()) << "change " << i;
    rewrite_index([&](auto& e) { e = whole; });
  }
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, AnIndexOfAnotherHistoryIsFound) {
  fill_all();
  close();
  const auto write = [&](const std::function<void(IndexCovered&)>& change) {
    os::SimEnv env(world_);
    auto manifest = IndexManifest::read(env.fs(), index_directory()).value();
    change(manifest.covered);
    ASSERT_TRUE(IndexManifestFile(env.fs(), index_directory()).replace(manifest));
  };
  write([](IndexCovered& c) { c.batch_crc ^= 1; });
  expect_bad_index();
  write([](IndexCovered& c) {
    c.batch_crc ^= 1;
    c.next = c.next.plus(10);
  });
  expect_bad_index("it is not this log's, or the records between are gone");
  write([](IndexCovered& c) { c.next = c.next.plus(-10); });
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, AnIndexThatIsMissingIsANote) {
  fill_all();
  close();
  for (const auto& path : files_with("/index/")) world_.disk().remove(path);
  const auto report = run();
  EXPECT_EQ(text_of(report), "");
  EXPECT_TRUE(std::ranges::any_of(report.log.notes,
                                  [](const std::string& n) { return n.find("/index has no manifest") != std::string::npos; }));
  start();
  close();
  EXPECT_EQ(run().indexes, 1u);
}

TEST_F(StoreVerify, EveryByteOfACheckpointCounts) {
  fill(0, 3);
  auto subscription = store_->subscribe({.context = "rides"}).value();
  ASSERT_TRUE(subscription->save_checkpoint("mailer"));
  close();
  const auto files = files_with("/checkpoints/");
  ASSERT_EQ(files.size(), 1u);
  for (std::size_t at = 0; at < world_.disk().read(files.front())->size(); ++at) {
    world_.disk().flip_bit(files.front(), at, static_cast<unsigned>(at % 8));
    EXPECT_THAT(text_of(run()), HasSubstr("checkpoints/6d61696c6572 at 0: checkpoint 'mailer' is damaged")) << at;
    world_.disk().flip_bit(files.front(), at, static_cast<unsigned>(at % 8));
  }
  EXPECT_EQ(text_of(run()), "");
}

TEST_F(StoreVerify, DamageOfTheLogIsNotPutDownToTheIndex) {
  fill_all();
  close();
  const auto logs = files_with(".log");
  ASSERT_EQ(logs.size(), 1u);
  world_.disk().flip_bit(logs.front(), 2000, 3);
  const std::string text = text_of(run());
  EXPECT_THAT(text, HasSubstr(".log"));
  EXPECT_THAT(text, Not(HasSubstr("index")));
}

TEST_F(StoreVerify, StoresThatLostTheirBeginningAreCleanAndEveryByteOfTheirHeadsCounts) {
  options_.segment_bytes = 8192;
  reopen();
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 20'000}));
  fill_all();
  ASSERT_TRUE(store_->delete_stream("rides", "ride-5", Expect::any()));
  for (int i = 0; i < 60; ++i) appended("other", {event("A", std::string(200, 'x'))});
  world_.run_until_idle();
  const Status applied = store_->apply_retention();
  ASSERT_TRUE(applied) << applied.error().to_string();
  world_.run_until_idle();
  ASSERT_TRUE(store_->truncate_stream("rides", "ride-4", 3, Expect::any()));  // all that is known of it is in the heads
  EXPECT_EQ(text_of(run()), "");
  close();
  const auto report = run();
  EXPECT_EQ(text_of(report), "");
  EXPECT_GT(report.heads, 5u);
  EXPECT_EQ(report.indexes, 1u);
  const auto heads = files_with("/heads-");
  ASSERT_EQ(heads.size(), 1u);
  const auto whole = *world_.disk().read(heads.front());
  for (std::size_t at = 0; at < whole.size(); at += at < 1024 ? 7 : 997) {
    world_.disk().flip_bit(heads.front(), at, static_cast<unsigned>(at % 8));
    EXPECT_THAT(text_of(run()), HasSubstr("/heads-")) << at;
    world_.disk().flip_bit(heads.front(), at, static_cast<unsigned>(at % 8));
    if (HasFailure()) return;
  }
  world_.disk().remove(heads.front());
  EXPECT_THAT(text_of(run()), HasSubstr("/heads-"));
}

TEST_F(StoreVerify, TheIndexOfAContextWithRetentionStaysBoundedAndRight) {
  options_.segment_bytes = 16 << 10;
  options_.index_table_entries = 64;
  reopen();
  ASSERT_TRUE(store_->create_context("rides", {.history_deletable = true, .retention_bytes = 64 << 10}));
  std::uint64_t most = 0;
  for (int i = 0; i < 6'000; ++i) {
    appended("ride-" + std::to_string(i % 500), {event("A", std::to_string(i), {}, {"t:" + std::to_string(i % 3)})});
    if (i % 100 != 99) continue;
    ASSERT_TRUE(store_->apply_retention());
    world_.run_until_idle();
    std::uint64_t bytes = 0;
    for (const auto& name : files_with(".idx")) bytes += world_.disk().read(name)->size();
    most = std::max(most, bytes);
  }
  // About 500 events are kept, of four entries each; all of them would have more than 700,000 bytes.
  EXPECT_LT(most, 200'000u);
  EXPECT_EQ(text_of(run()), "");
  for (int s = 0; s < 500; ++s) {
    const auto head = store_->stream_head("rides", "ride-" + std::to_string(s));
    ASSERT_TRUE(head) << head.error().to_string();
    EXPECT_EQ(head->last_version, 11);
  }
  kill_and_reopen();
  EXPECT_EQ(text_of(run()), "");
  EXPECT_EQ(appended("ride-7", {event("A")}, Expect::exact(11)).events[0].version, 12);
}

TEST(StoreVerifyThreads, ItIsCleanWhileAppendsGoOn) {
  const auto env = os::make_posix_env();
  const std::string root = ::testing::TempDir() + "baton_verify_" + std::to_string(env->process_id());
  std::filesystem::remove_all(root);
  {
    Options options = small_options();
    options.segment_bytes = 64 << 10;
    auto store = Store::open(root, options).value();
    std::atomic<int> acknowledged = 0;
    std::atomic<bool> stop = false;
    std::jthread appender([&] {
      for (int i = 0; !stop; ++i) {
        const std::string stream = "s-" + std::to_string(i % 100);
        const auto done =
            store->append(append_of(stream, Expect::any(), {event("A", "{}", {}, {"t:1"}), event("B", std::string(300, ' '))}));
        if (!done) {
          ADD_FAILURE() << done.error().to_string();
          stop = true;
          return;
        }
        if (i % 50 == 49) EXPECT_TRUE(store->truncate_stream("rides", stream, 1, Expect::any()));
        acknowledged = i + 1;
      }
    });
    for (int round = 0; round < 40 && !stop; ++round) {
      const int before = acknowledged;
      while (acknowledged < before + 20 && !stop) std::this_thread::yield();
      const auto report = verify_store(*env, root, std::nullopt, {});
      ASSERT_TRUE(report) << report.error().to_string();
      for (const auto& f : report->log.findings) ADD_FAILURE() << f.file << " at " << f.position << ": " << f.what;
      EXPECT_GE(report->log.records, static_cast<std::uint64_t>(before) * 2);
      if (::testing::Test::HasFailure()) break;
    }
    stop = true;
  }
  std::filesystem::remove_all(root);
}

// Catalogue, journal and marks are read one after another: in between, before each look, a writer opens, appends, and closes or is killed.
TEST_F(StoreVerify, AWriterThatComesAndGoesMeanwhileIsNotTakenForDamage) {
  fill(0, 40);
  close();
  for (const bool killed : {false, true}) {
    int looks = 0;
    for (int at = 1; at == 1 || looks >= at; ++at) {
      looks = 0;
      WatchedEnv env(world_);
      env.watch() = [&](const std::string&) {
        if (++looks != at) return;
        start();
        fill(at, at + 5);
        if (killed) env_->kill();
        if (killed) end();
        else close();
      };
      const auto report = verify_store(env, "/data", std::nullopt, {});
      env.watch() = nullptr;
      ASSERT_TRUE(report) << report.error().to_string();
      for (const auto& finding : report->log.findings) ADD_FAILURE() << at << (killed ? ", killed: " : ": ") << finding.file << ", position " << finding.position << ": " << finding.what;
      if (HasFailure()) return;
    }
    EXPECT_GT(looks, 10);
  }
}

}  // namespace
}  // namespace baton::store::testing
