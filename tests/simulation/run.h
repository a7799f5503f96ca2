// Run: one seed of the whole-stack simulation. One simulated machine lives through several processes; each opens the store, is
// checked against the History, works, and ends in its own way: closed, killed, without power, with a disk that fails or is full. What a
// process that is alive shows must be what the History says, at every moment; what a dead one says is worth nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <baton/store.h>

#include "history.h"
#include "log/log.h"
#include "os/sim_env.h"
#include "store/store_core.h"

namespace baton::simulation {

inline constexpr char kDirectory[] = "/data";

// What a seed chooses; a failure prints it.
struct Plan {
  Durability durability = Durability::fsync;
  std::uint64_t segment_bytes = 0;
  std::uint64_t journal_bytes = 0;
  std::size_t index_table_entries = 0;
  bool powersafe_overwrite = true;
  bool views = false;
  bool large = false;  // some rounds are written in place
  bool retires = false;  // most appends go where retention removes segments
  int processes = 1;   // before the last one, which no fault strikes
  int operations = 0;  // of each process, at most
  bool damage = false; // ends with bits that flip
  [[nodiscard]] static Plan of(std::uint64_t seed);
  [[nodiscard]] std::string to_string() const;
};

// A short workload of the exhaustive mode.
struct Script {
  std::uint64_t seed = 1;
  int appends = 1;
  bool waits = true;      // for each answer before the next append
  bool removes = false;   // and deletes a stream at the end
  bool recovers = false;  // the appends come after a kill and the recovery from it; the power may fail there too
  bool closes = false;    // the power may fail while the store closes
};

// How a process is to end, or what is to go wrong while it runs.
enum class Fate { close, kill, power, kill_then_power, failed_sync, failed_write, failed_reads, full_disk, rest };

class Derived;  // subscriptions, snapshots and views (derived.h)

class Run {
 public:
  explicit Run(std::uint64_t seed);
  Run(std::uint64_t seed, const Plan& plan);
  ~Run();

  // What went wrong; empty when nothing did.
  [[nodiscard]] std::string go();
  // A script with a power failure in the `point`-th change of the disk, where `choices` decides what becomes of it; then a recovery
  // without faults. `struck`: the script was not over by then.
  [[nodiscard]] std::string go_short(const Script& script, std::uint64_t point, os::Choices& choices, bool& struck);
  // Tells on standard error what it does.
  void talk() { talks_ = true; }
  [[nodiscard]] const Plan& plan() const { return plan_; }
  [[nodiscard]] std::uint64_t trace_hash() const { return world_.trace_hash(); }
  struct Counts {
    std::uint64_t appended = 0, refused = 0, kills = 0, power_cuts = 0, failed_recoveries = 0, flips = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  friend class Derived;

  // run.cc
  void one_process(Fate fate);
  void arm(Fate fate);
  void strike_soon(std::uint64_t within, bool kills = false);
  void strike_soon_in_a_new_journal();
  void end_process(Fate fate);
  [[nodiscard]] Options options();
  [[nodiscard]] store::Pipelining pipelining();
  [[nodiscard]] bool open_store(Fate fate);
  [[nodiscard]] bool make_contexts();
  void work(Fate fate);
  void look_on();
  void back_up_beside(os::SimEnv& env, Store& reader);
  void live_on();
  void free_the_disk();
  void wait_for_answers();
  [[nodiscard]] bool alive() const;
  // Alive, the store has not ended, and nothing is wrong.
  [[nodiscard]] bool going() const { return alive() && !ended_ && wrong_.empty(); }
  void wrong(const std::string& what);
  void say(const std::string& what) const;
  // False when the result is an error: then either it may be one (dead, or a fault strikes), or the run is wrong.
  bool fine(const Error* error, const std::string& doing);
  template <typename T>
  bool fine(const Result<T>& result, const std::string& doing) {
    return fine(result.ok() ? nullptr : &result.error(), doing);
  }

  // writes.cc
  void append_something();
  void repeat_something();
  void remove_or_truncate();
  void submit(Attempt attempt, bool wait);
  void settle(const std::shared_ptr<Attempt>& attempt, const Result<Appended>& result);
  void check_answer(Attempt& attempt, const Appended& answer, const History::Decision& decision);
  void apply_retention();
  [[nodiscard]] NewEvent new_event();
  [[nodiscard]] std::string some_stream();
  [[nodiscard]] Append new_append(std::size_t context);
  [[nodiscard]] std::optional<std::pair<std::int64_t, Position>> some_position();

  // reads.cc
  void read_a_stream();
  void read_a_context();
  void read_heads();
  void check_all();
  void check_stream(std::size_t context, const std::string& stream, std::size_t limit);
  void check_streams(std::size_t context);
  void check_lost_positions(std::size_t count);
  void expect(std::size_t context, std::size_t partition, const std::vector<std::int64_t>& offsets,
              const std::vector<Event>& events, const std::string& doing);
  // Every record of a context, page by page, by partition. Empty after an error.
  [[nodiscard]] std::optional<std::vector<std::vector<Event>>> read_everything(std::size_t context);

  // recovered.cc
  // False when nothing may be built on this process.
  [[nodiscard]] bool check_recovered();
  void take_recovered(std::size_t context, const std::vector<std::vector<Event>>& found);
  void take_in_flight(std::size_t context, const std::vector<std::vector<Event>>& found);
  void cut_history(std::size_t context, std::size_t partition, std::int64_t end);
  void note_lost(std::size_t context);

  // damage.cc
  [[nodiscard]] Result<log::VerifyReport> verify();
  void verify_finds_nothing();
  void flip_bits();
  void flip_a_bit();
  std::optional<os::SimDisk::FlippedBit> flip_in(const std::function<bool(const std::string& path)>& eligible,
                                                 const std::function<std::uint64_t(const std::string& path, base::ByteView content)>& end);
  [[nodiscard]] std::int64_t end_of(const std::string& segment) const;

  const Plan plan_;
  os::SimWorld world_;
  os::SeededRandom random_;
  std::vector<History> histories_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> operator_;  // a person who makes space
  std::unique_ptr<Store> store_;
  std::unique_ptr<Derived> derived_;
  std::deque<std::shared_ptr<Attempt>> in_flight_;        // since the last recovery that was seen, in the order of submission
  std::vector<std::shared_ptr<const Attempt>> attempts_;  // to be tried again later
  std::vector<std::vector<std::string>> lost_;            // by context: positions that must be refused
  std::vector<std::string> topics_;                       // by context: as in its positions
  std::map<std::pair<std::size_t, std::size_t>, std::int64_t> shown_;  // by context and partition: the end that was seen from beside
  std::set<std::int64_t> checkpoints_{0};                 // where the subscription's may be
  bool sync_of_any_failed_ = false;                       // perhaps of a directory
  bool view_sync_failed_ = false;                         // a failed sync may have struck the view
  std::int32_t epoch_ = 0;                                // of the last open that was seen
  std::string store_id_;
  std::string journal_;                   // the newest file of it that was seen
  std::int64_t numbered_ = 0;                             // events that were made
  Fate fate_ = Fate::close;
  bool faulty_ = false;        // something may fail in this process that is not its end
  bool ended_ = false;         // the store told that it has
  bool flipped_ = false;       // a bit has flipped
  bool damaged_ = false;       // what is not derived has a flipped bit
  bool power_was_cut_ = false; // since the last recovery that was seen
  bool space_was_short_ = false;  // so that some of what is in flight may have been refused
  mutable std::int64_t alive_ns_ = 0;  // when this process was last seen alive
  std::int64_t died_ns_ = -1;  // the first process that ended since the last recovery that was seen
  bool talks_ = false;
  Counts counts_;
  std::string wrong_;
};

}  // namespace baton::simulation
