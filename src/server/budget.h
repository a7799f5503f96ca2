// Budget: the bytes of all frames that the process holds, whether they are still coming, complete and in a handler, or waiting for their turn (S15).
//
// A connection asks before each read and gets a grant for one chunk, or its turn later, in the order of asking. So the bytes in use pass
// the limit by no more than what one frame needs: when all of them belong to frames that are not complete, so that nobody could ever go on, one
// connection may, until its frame is complete. When somebody has waited for long, and half of the limit or more belongs to frames that are not complete, one must go of those
// that wait for their client and not for the budget: the one that could have gone on for as long, or whoever else holds most. Whoever is slow, or means to hold up the others, does not do so for longer.
//
// Any thread. A resumed reader's callback is called under no lock.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace baton::server {

class Budget {
 public:
  static constexpr std::uint64_t kChunk = 64u << 10;  // what one grant allows to read

  // `patience_ns`: how long somebody waits before one who holds much must go.
  explicit Budget(std::uint64_t limit, std::int64_t patience_ns = INT64_MAX) : limit_(limit), patience_ns_(patience_ns) {}

  // Names a reader; 0 is none.
  [[nodiscard]] std::uint64_t new_reader();
  // True: read one chunk now, and call redeem. False: `resume` will be called once, with the grant, from any thread.
  [[nodiscard]] bool ask(std::uint64_t reader, std::int64_t now_ns, std::function<void()> resume);
  // Whether `reader` is the one that must go. One at a time, until it leaves or its frame is complete.
  [[nodiscard]] bool must_go(std::uint64_t reader, std::int64_t now_ns);
  // What was read with a grant: `bytes` are in use now.
  void redeem(std::uint64_t reader, std::uint64_t bytes);
  // A frame of `bytes` is complete and in a handler.
  void hand_over(std::uint64_t reader, std::uint64_t bytes);
  // The handler is done with it.
  void release(std::uint64_t bytes);
  // The reader ends: the bytes that were not handed over, and its place in the queue. Its grant, if it has one, must be redeemed.
  void leave(std::uint64_t reader, std::uint64_t bytes);

  [[nodiscard]] std::uint64_t used() const;
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Waiting {
    std::uint64_t reader = 0;
    std::int64_t since_ns = 0;
    std::function<void()> resume;
  };
  using Resumed = std::vector<std::function<void()>>;
  [[nodiscard]] bool room() const { return used_ + granted_ * kChunk < limit_; }
  [[nodiscard]] Resumed wake();
  [[nodiscard]] std::uint64_t choose(std::int64_t now_ns) const;
  template <typename F>
  void change(F&& f);

  const std::uint64_t limit_;
  const std::int64_t patience_ns_;
  mutable std::mutex mutex_;
  std::uint64_t used_ = 0;         // all bytes
  std::uint64_t in_handlers_ = 0;  // of these
  std::uint64_t granted_ = 0;      // grants not yet redeemed
  std::uint64_t last_reader_ = 0;
  std::uint64_t beyond_ = 0;  // the reader that may go beyond the limit
  std::uint64_t seen_beyond_ = 0;  // which one must_go() saw there,
  std::int64_t seen_ns_ = 0;       // and when first
  std::uint64_t must_go_ = 0;
  std::int64_t chosen_ns_ = 0;  // when that was found
  std::unordered_map<std::uint64_t, std::uint64_t> held_;  // by reader: of its frame that is not complete
  std::deque<Waiting> waiting_;
};

}  // namespace baton::server
