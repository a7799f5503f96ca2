// What files and directories do, on both twins.
#include <algorithm>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "os/twins_for_test.h"

namespace baton::os {
namespace {

using base::as_bytes;

class Files : public OnBothTwins {};
BATON_ON_BOTH_TWINS(Files);

TEST_P(Files, WhatIsWrittenIsReadAndTheFileGrows) {
  const auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("hello")).ok());
  ASSERT_TRUE(file->write_at(7, as_bytes("world")).ok());
  EXPECT_EQ(text_of(*file), std::string("hello\0\0world", 12));
  ASSERT_TRUE(file->sync_data().ok());
  ASSERT_TRUE(file->write_at(1, as_bytes("a")).ok());
  EXPECT_EQ(text_of(*file), std::string("hallo\0\0world", 12));
}

TEST_P(Files, AReadReachesToTheEndOfTheFileOnly) {
  const auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("0123456789")).ok());
  base::Bytes out(8);
  EXPECT_EQ(*file->read_at(6, out), 4U);
  EXPECT_EQ(base::as_text(out).substr(0, 4), "6789");
  EXPECT_EQ(*file->read_at(10, out), 0U);
  EXPECT_EQ(*file->read_at(1000, out), 0U);
  EXPECT_EQ(*file->read_at(0, {}), 0U);
}

TEST_P(Files, PiecesFollowOneAnotherHoweverMany) {
  const auto file = make("a");
  std::vector<std::string> texts;
  std::string whole = "--";
  for (int i = 0; i < 300; ++i) {
    texts.push_back(i % 7 == 0 ? "" : std::string(static_cast<std::size_t>(i % 50), static_cast<char>('a' + i % 26)));
    whole += texts.back();
  }
  std::vector<base::ByteView> pieces(texts.size());
  std::ranges::transform(texts, pieces.begin(), [](const std::string& text) { return as_bytes(text); });
  ASSERT_TRUE(file->write_at(0, as_bytes("--")).ok());
  ASSERT_TRUE(file->write_at(2, std::span<const base::ByteView>(pieces)).ok());
  EXPECT_EQ(text_of(*file), whole);
  EXPECT_TRUE(file->write_at(0, std::span<const base::ByteView>()).ok());
}

// Memory at a multiple of kDirectBytes.
base::MutableByteView aligned(base::Bytes& memory, std::size_t bytes) {
  memory.assign(bytes + kDirectBytes, std::byte{0});
  void* at = memory.data();
  std::size_t room = memory.size();
  return {static_cast<std::byte*>(std::align(kDirectBytes, bytes, at, room)), bytes};
}

TEST_P(Files, DirectAndOtherWritesSeeOneFile) {
  const auto file = make("a");
  ASSERT_TRUE(file->allocate(0, 16'384).ok());
  std::string expected(16'384, '\0');
  base::Bytes memory;
  // A write through the cache before each direct one, into the same page, and a read after it.
  for (std::size_t i = 0; i < 20; ++i) {
    const std::string small(100, static_cast<char>('a' + i));
    const std::size_t at = 500 + i * 512;
    ASSERT_TRUE(file->write_at(at, as_bytes(small)).ok());
    expected.replace(at, small.size(), small);
    const auto direct = aligned(memory, i % 2 == 0 ? 512 : 5'632);
    std::ranges::fill(direct, static_cast<std::byte>('A' + i));
    ASSERT_TRUE(file->write_direct(1024 + i * 512, direct).ok());
    expected.replace(1024 + i * 512, direct.size(), std::string(direct.size(), static_cast<char>('A' + i)));
    ASSERT_EQ(text_of(*file), expected) << i;
  }
  ASSERT_TRUE(file->sync_data().ok());
  EXPECT_EQ(text_of(*file), expected);
}

TEST_P(Files, ADirectWriteGrowsTheFile) {
  const auto file = make("a");
  base::Bytes memory;
  const auto direct = aligned(memory, 1024);
  std::ranges::fill(direct, std::byte{'x'});
  ASSERT_TRUE(file->write_direct(512, direct).ok());
  EXPECT_EQ(text_of(*file), std::string(512, '\0') + std::string(1024, 'x'));
  EXPECT_TRUE(file->write_direct(0, {}).ok());
}

TEST_P(Files, ADirectWriteIsRefusedWhereTheDiskCouldNotTakeIt) {
  const auto file = make("a");
  base::Bytes memory;
  const base::ByteView whole = aligned(memory, 1024);
  EXPECT_EQ(file->write_direct(100, whole).error().code, Code::invalid_argument);
  EXPECT_EQ(file->write_direct(0, whole.first(100)).error().code, Code::invalid_argument);
  EXPECT_EQ(file->write_direct(0, whole.subspan(1, 512)).error().code, Code::invalid_argument);
  EXPECT_EQ(*file->size(), 0U);
  const auto reader = std::move(fs().open(path("a"), {})).value();
  EXPECT_EQ(reader->write_direct(0, whole).error().code, Code::io_error);
  EXPECT_EQ(*file->size(), 0U);
}

TEST_P(Files, TruncateCutsAndWhatGrowsAgainIsZero) {
  const auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes(std::string(5000, 'x'))).ok());
  ASSERT_TRUE(file->truncate(3).ok());
  EXPECT_EQ(text_of(*file), "xxx");
  ASSERT_TRUE(file->truncate(4097).ok());
  EXPECT_EQ(text_of(*file), "xxx" + std::string(4094, '\0'));
  ASSERT_TRUE(file->sync_data().ok());
  EXPECT_EQ(text_of(*file), "xxx" + std::string(4094, '\0'));
}

TEST_P(Files, AllocateGrowsWithZerosAndKeepsWhatIsThere) {
  const auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("keep")).ok());
  ASSERT_TRUE(file->allocate(0, 10'000).ok());
  EXPECT_EQ(*file->size(), 10'000U);
  EXPECT_EQ(text_of(*file), "keep" + std::string(9'996, '\0'));
  ASSERT_TRUE(file->allocate(0, 100).ok());
  ASSERT_TRUE(file->allocate(50, 0).ok());
  EXPECT_EQ(*file->size(), 10'000U);
}

TEST_P(Files, OpenSaysWhatIsWrong) {
  EXPECT_EQ(fs().open(path("missing"), {}).error().code, Code::not_found);
  EXPECT_NE(fs().open(path("missing"), {}).error().detail.find("missing: No such file"), std::string::npos);
  EXPECT_EQ(fs().open(path("no/such"), {.write = true, .create = true}).error().code, Code::not_found);
  (void)make("a");
  EXPECT_EQ(fs().open(path("a"), {.write = true, .create = true, .exclusive = true}).error().code, Code::already_exists);
  EXPECT_EQ(fs().open(path("a/b"), {}).error().code, Code::not_found);
  ASSERT_TRUE(fs().make_directory(path("d")).ok());
  EXPECT_EQ(fs().open(path("d"), {}).error().code, Code::invalid_argument);
}

TEST_P(Files, OpenCanEmptyAFile) {
  ASSERT_TRUE(make("a")->write_at(0, as_bytes("old")).ok());
  EXPECT_EQ(text_of(*make("a")), "old");
  const auto file = fs().open(path("a"), {.write = true, .create = true, .truncate = true});
  EXPECT_EQ(*(*file)->size(), 0U);
}

TEST_P(Files, AFileOpenedForReadingCannotBeChanged) {
  ASSERT_TRUE(make("a")->write_at(0, as_bytes("old")).ok());
  const auto file = std::move(fs().open(path("a"), {})).value();
  EXPECT_EQ(file->write_at(0, as_bytes("new")).error().code, Code::io_error);
  EXPECT_FALSE(file->truncate(0).ok());
  EXPECT_FALSE(file->allocate(0, 100).ok());
  EXPECT_EQ(file->map_shared(0, 4096).error().code, Code::unavailable);
  EXPECT_EQ(text_of(*file), "old");
}

TEST_P(Files, RenameReplacesAndKeepsOpenFilesAlive) {
  const auto a = make("a");
  const auto b = make("b");
  ASSERT_TRUE(a->write_at(0, as_bytes("from a")).ok());
  ASSERT_TRUE(b->write_at(0, as_bytes("from b")).ok());
  ASSERT_TRUE(fs().rename(path("a"), path("b")).ok());
  EXPECT_FALSE(*fs().exists(path("a")));
  EXPECT_EQ(text_of(*make("b")), "from a");
  EXPECT_EQ(text_of(*b), "from b");
  EXPECT_EQ(fs().rename(path("a"), path("c")).error().code, Code::not_found);
  ASSERT_TRUE(fs().rename(path("b"), path("b")).ok());
  EXPECT_TRUE(*fs().exists(path("b")));
}

TEST_P(Files, DirectoriesMoveWithWhatIsInThem) {
  ASSERT_TRUE(fs().make_directory(path("d")).ok());
  ASSERT_TRUE(make("d/f")->write_at(0, as_bytes("inside")).ok());
  ASSERT_TRUE(fs().rename(path("d"), path("e")).ok());
  EXPECT_EQ(text_of(*make("e/f")), "inside");
  EXPECT_FALSE(*fs().exists(path("d/f")));
  EXPECT_FALSE(fs().rename(path("e/f"), path("e")).ok());
}

TEST_P(Files, RemoveTakesFilesAndEmptyDirectoriesAndOpenFilesStayReadable) {
  const auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("still")).ok());
  ASSERT_TRUE(fs().remove(path("a")).ok());
  EXPECT_FALSE(*fs().exists(path("a")));
  EXPECT_EQ(text_of(*file), "still");
  EXPECT_EQ(fs().remove(path("a")).error().code, Code::not_found);
  ASSERT_TRUE(fs().make_directory(path("d")).ok());
  (void)make("d/f");
  EXPECT_EQ(fs().remove(path("d")).error().code, Code::io_error);
  ASSERT_TRUE(fs().remove(path("d/f")).ok());
  EXPECT_TRUE(fs().remove(path("d")).ok());
}

TEST_P(Files, ListIsSortedAndTellsDirectories) {
  for (const char* name : {"zebra", "alpha", "Beta", "10", "9"}) (void)make(name);
  ASSERT_TRUE(fs().make_directory(path("middle")).ok());
  ASSERT_TRUE(fs().make_directory(path("middle")).ok());
  EXPECT_EQ(fs().make_directory(path("alpha")).error().code, Code::already_exists);
  EXPECT_EQ(fs().make_directory(path("no/such")).error().code, Code::not_found);
  std::string names;
  for (const auto& entry : fs().list(path("")).value()) names += entry.name + (entry.is_directory ? "/ " : " ");
  EXPECT_EQ(names, "10 9 Beta alpha middle/ zebra ");
  EXPECT_EQ(fs().list(path("missing")).error().code, Code::not_found);
}

TEST_P(Files, SyncsSucceedOnWhatExists) {
  ASSERT_TRUE(make("a")->sync_data().ok());
  EXPECT_TRUE(fs().sync_directory(path("")).ok());
  EXPECT_TRUE(fs().sync_all(path("")).ok());
  EXPECT_EQ(fs().sync_directory(path("missing")).error().code, Code::not_found);
  EXPECT_EQ(fs().sync_all(path("missing")).error().code, Code::not_found);
}

TEST_P(Files, WhatIsOnItsWayToTheDiskIsReadWrittenAndSyncedLikeAllElse) {
  const auto file = make("a");
  const std::string text(10'000, 'x');
  ASSERT_TRUE(file->write_at(0, base::as_bytes(text)).ok());
  file->start_write_back(0, text.size());
  file->start_write_back(1 << 20, 4096);  // there is nothing
  ASSERT_TRUE(file->write_at(5'000, base::as_bytes(std::string(3, 'y'))).ok());
  file->start_write_back(5'000, 3);
  ASSERT_TRUE(file->sync_data().ok());
  base::Bytes read(text.size() + 1);
  ASSERT_EQ(file->read_at(0, read).value(), text.size());
  EXPECT_EQ(base::as_text(base::ByteView(read).first(text.size())), text.substr(0, 5'000) + "yyy" + text.substr(5'003));
  EXPECT_EQ(file->size().value(), text.size());
}

TEST_P(Files, SpaceIsReported) {
  const auto space = fs().space(path(""));
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->available_bytes, 0U);
  EXPECT_GE(space->total_bytes, space->available_bytes);
}

TEST_P(Files, AMappingShowsTheFileAndOutlivesItsNameAndHandle) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, as_bytes("mapped")).ok());
  const auto mapping = std::move(file->map()).value();
  file = nullptr;
  ASSERT_TRUE(fs().remove(path("a")).ok());
  EXPECT_EQ(base::as_text(mapping->bytes()), "mapped");
  EXPECT_EQ(make("empty")->map().value()->bytes().size(), 0U);
}

TEST_P(Files, ASharedMappingIsOneMemoryForAllAndPartOfTheFile) {
  const auto writer = make("a");
  const auto first = std::move(writer->map_shared(0, 8192)).value();
  EXPECT_EQ(*writer->size(), 8192U);
  const auto reader = std::move(fs().open(path("a"), {})).value();
  const auto second = std::move(reader->map_shared(4096, 4096)).value();
  first->data()[4100] = std::byte{'x'};
  EXPECT_EQ(second->data()[4], std::byte{'x'});
  EXPECT_EQ(text_of(*reader)[4100], 'x');
  ASSERT_TRUE(writer->write_at(4101, as_bytes("y")).ok());
  EXPECT_EQ(second->data()[5], std::byte{'y'});
  const auto longer = std::move(writer->map_shared(0, 20'480)).value();
  EXPECT_EQ(longer->data()[4100], std::byte{'x'});
  first->data()[0] = std::byte{'z'};
  EXPECT_EQ(longer->data()[0], std::byte{'z'});
  EXPECT_EQ(writer->map_shared(100, 4096).error().code, Code::invalid_argument);
}

TEST_P(Files, LocksOfTwoHandlesConflictAndThoseOfOneDoNot) {
  auto a = make("lock");
  const auto b = make("lock");
  EXPECT_TRUE(*a->try_lock(LockKind::exclusive, 0, 10));
  EXPECT_TRUE(*a->try_lock(LockKind::exclusive, 5, 10));
  EXPECT_FALSE(*b->try_lock(LockKind::shared, 14, 1));
  EXPECT_TRUE(*b->is_locked(LockKind::shared, 0, 0));
  EXPECT_TRUE(*b->try_lock(LockKind::shared, 15, 0));
  EXPECT_FALSE(*a->is_locked(LockKind::exclusive, 0, 15));
  EXPECT_TRUE(*a->is_locked(LockKind::exclusive, 1'000'000, 1));
  EXPECT_FALSE(*a->is_locked(LockKind::shared, 1'000'000, 1));
  a = nullptr;
  EXPECT_TRUE(*b->try_lock(LockKind::exclusive, 0, 0));
}

TEST_P(Files, UnlockingTheMiddleKeepsBothEndsAndALockChangesItsKind) {
  const auto a = make("lock");
  const auto b = make("lock");
  EXPECT_TRUE(*a->try_lock(LockKind::exclusive, 0, 30));
  ASSERT_TRUE(a->unlock(10, 10).ok());
  EXPECT_FALSE(*b->try_lock(LockKind::shared, 9, 1));
  EXPECT_TRUE(*b->try_lock(LockKind::exclusive, 10, 10));
  EXPECT_FALSE(*b->try_lock(LockKind::shared, 20, 1));
  EXPECT_TRUE(*a->try_lock(LockKind::shared, 20, 10));
  EXPECT_TRUE(*b->try_lock(LockKind::shared, 20, 1));
  EXPECT_FALSE(*a->try_lock(LockKind::exclusive, 20, 1));
}

// A random history of calls, as text.
std::string history(Twin& twin, std::uint64_t seed) {
  FileSystem& fs = twin.env().fs();
  SeededRandom random(seed);
  std::string told;
  std::vector<std::unique_ptr<File>> files;
  const auto name = [&] {
    constexpr const char* kNames[] = {"a", "b", "d", "d/a", "d/b", "e", "e/a"};
    return kNames[random.below(std::size(kNames))];
  };
  const auto tell = [&](const Status& status) {
    told += status.ok() ? "ok " : std::string(code_name(status.error().code)) + " ";
  };
  const auto path = [&](const char* short_name) { return join(twin.directory(), short_name); };
  for (int n = 0; n < 60; ++n) {
    const std::uint64_t what = random.below(14);
    if (what >= 6 && files.empty()) continue;
    File* const file = files.empty() ? nullptr : files[random.below(files.size())].get();
    const std::uint64_t offset = random.below(9000);
    told += std::to_string(what) + ":";
    switch (what) {
      case 0:
      case 1: {
        auto opened = fs.open(path(name()), {.write = true,
                                             .create = random.below(4) > 0,
                                             .exclusive = random.below(4) == 0,
                                             .truncate = random.below(6) == 0});
        told += opened.ok() ? "ok " : std::string(code_name(opened.error().code)) + " ";
        if (opened) files.push_back(std::move(opened).value());
        break;
      }
      case 2: tell(fs.make_directory(path(name()))); break;
      case 3: tell(fs.remove(path(name()))); break;
      case 4: {
        const char* from = name();
        told += fs.rename(path(from), path(name())).ok() ? "ok " : "refused ";  // for one of several reasons at once
        break;
      }
      case 5: {
        const auto entries = fs.list(path(name()));
        if (!entries) told += code_name(entries.error().code);
        if (entries) {
          for (const auto& entry : *entries) told += entry.name + (entry.is_directory ? "/," : ",");
        }
        told += ' ';
        break;
      }
      case 6: tell(file->truncate(offset)); break;
      case 7: tell(file->allocate(offset, random.below(5000))); break;
      case 8: files.erase(files.begin() + static_cast<std::ptrdiff_t>(random.below(files.size()))); break;
      case 9: told += std::to_string(*file->size()) + " "; break;
      case 10: {
        base::Bytes out(random.below(3000));
        out.resize(*file->read_at(offset, out));
        told += std::to_string(base::hash64(out)) + " ";
        break;
      }
      default: {
        base::Bytes data(random.below(3000));
        random.fill(data);
        tell(file->write_at(offset, data));
      }
    }
  }
  return told;
}

TEST(Twins, TellTheSameOfTheSameHistory) {
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    PosixTwin posix;
    SimTwin simulated;
    ASSERT_EQ(history(posix, seed), history(simulated, seed)) << "seed " << seed;
  }
}

class FileHelpers : public OnBothTwins {};
BATON_ON_BOTH_TWINS(FileHelpers);

TEST_P(FileHelpers, PathsAreJoinedAndSplit) {
  EXPECT_EQ(join("/a", "b"), "/a/b");
  EXPECT_EQ(join("/a/", "b"), "/a/b");
  EXPECT_EQ(join("", "b"), "b");
  EXPECT_EQ(parent("/a/b"), "/a");
  EXPECT_EQ(parent("/a/b/"), "/a");
  EXPECT_EQ(parent("/a"), "/");
  EXPECT_EQ(parent("/"), "/");
  EXPECT_EQ(parent("a"), ".");
}

TEST_P(FileHelpers, DirectoriesAreMadeWithTheirParentsAndRemovedWithTheirContent) {
  ASSERT_TRUE(make_directories(fs(), path("x/y/z")).ok());
  ASSERT_TRUE(make_directories(fs(), path("x/y/z")).ok());
  (void)make("x/y/f");
  EXPECT_TRUE(*fs().exists(path("x/y/z")));
  ASSERT_TRUE(remove_tree(fs(), path("x")).ok());
  EXPECT_FALSE(*fs().exists(path("x")));
  EXPECT_TRUE(remove_tree(fs(), path("x")).ok());
  ASSERT_FALSE(make_directories(fs(), "").ok());
}

TEST_P(FileHelpers, AFileIsReplacedAndReadWithinALimit) {
  ASSERT_TRUE(replace_file(fs(), path("f"), as_bytes("one")).ok());
  ASSERT_TRUE(replace_file(fs(), path("f"), as_bytes("second")).ok());
  EXPECT_EQ(base::as_text(read_file(fs(), path("f"), 6).value()), "second");
  EXPECT_EQ(read_file(fs(), path("f"), 5).error().code, Code::too_large);
  EXPECT_EQ(read_file(fs(), path("g"), 5).error().code, Code::not_found);
  EXPECT_EQ(fs().list(path("")).value().size(), 1U);
}

}  // namespace
}  // namespace baton::os
