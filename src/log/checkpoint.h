// A checkpoint (docs/formats/journal.md): segments made durable, marks appended, sealed segments finished, old journal files freed.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/journal.h"
#include "log/segment.h"

namespace baton::log {

// Put together by the owner; run() does the I/O on any one thread. After no_space it may be run again; any other error ends the store.
class CheckpointJob {
 public:
  struct Item {
    std::shared_ptr<Segment> segment;
    bool dirty = false;            // the segment has to be synced
    base::Bytes sectors;           // for the marks file, at
    std::uint64_t sectors_at = 0;
    bool seal = false;             // no more batches come
    std::uint64_t end = 0;         // then: the segment's size
    bool hash = false;             // and the chain goes on
    Hash256 previous{};            // filled in by run() when an earlier item of the job has it
    Hash256 result{};
    Offset next_offset;
    std::int64_t max_timestamp = 0;
  };
  std::string directory;
  std::vector<Item> items;
  base::Bytes producers;            // the file of that name (docs/formats/producers.md); empty: it stays as it is
  bool sync_journal = false;        // rounds of `interval` are in it that marks will cover
  std::uint64_t free_before = 0;    // 0: no generation is freed
  std::shared_ptr<Journal> journal;
  std::shared_ptr<os::File> lock;   // the directory stays locked while this goes on

  // False: it has been taken by somebody else.
  [[nodiscard]] bool take() { return !taken_.exchange(true); }
  void run(os::FileSystem& fs);  // by who took it
  void again(std::shared_ptr<os::File> lock_file);  // [owner] after no_space
  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire); }
  [[nodiscard]] const Status& result() const { return result_; }  // when done

 private:
  [[nodiscard]] Status do_run(os::FileSystem& fs);
  [[nodiscard]] Status sync_segments(os::FileSystem& fs);
  [[nodiscard]] Status write_marks(os::FileSystem& fs);
  [[nodiscard]] Status write_producers(os::FileSystem& fs);
  [[nodiscard]] Status finish_sealed(os::FileSystem& fs, std::size_t index);

  std::atomic<bool> taken_{false};
  std::atomic<bool> done_{false};
  Status result_;
};

}  // namespace baton::log
