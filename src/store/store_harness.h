// Drives a store on the simulated machine with random operations, and holds it to the models of its partitions: every answer, and after each crash
// and restart everything that can be read. For tests.
//
// There are a context with one partition, which has most of the work; a context with three; and a plain topic with two, whose batches share rounds
// with the events. What a crash leaves is a prefix of what was decided over all of them, since they share one journal.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/store.h>

#include "os/sim_env.h"
#include "store/store_core.h"
#include "store/store_model.h"

namespace baton::store::testing {

class StoreHarness {
 public:
  StoreHarness(std::uint64_t seed, Options options);
  ~StoreHarness();

  // Opens and compares what is there with what must be there. False when the machine or the process died on the way.
  bool open();
  // Runs `operations` random ones, some at once, some one after the other. Ends early when the store does.
  void work(std::size_t operations);
  // Ends the process (as a kill if it still lives); whatever was not answered may or may not have happened.
  void end();
  void close();
  // Everything that can be read, against the models.
  void verify();
  // After close(): verifies, makes a backup, restores it, and goes on with what was restored. Nothing may be found wrong, nor be missing.
  void move_to_copy();

  [[nodiscard]] bool alive() const { return env_ != nullptr && env_->alive(); }
  [[nodiscard]] bool failed() const { return store_failed_; }
  [[nodiscard]] os::SimWorld& world() { return world_; }
  [[nodiscard]] os::SimEnv& env() { return *env_; }
  [[nodiscard]] os::SeededRandom& random() { return random_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }  // the first that was found; empty: none
  void expect_no_space() { may_refuse_no_space_ = true; }
  // Otherwise it is a fault when an index cannot be used at an open.
  void expect_damaged_indexes() { index_damaged_ = true; }
  // A crash may take back what was acknowledged (durability interval and a power loss).
  void allow_loss();

 private:
  // A partition, and what must be in it.
  struct Track {
    Track(os::SeededRandom& random, const Place& of) : place(of), model(of), operations(random, of) {}
    Place place;
    Model model;
    RandomOperations operations;
    // Positions by offset, as far as they were told: by answers, and by reads of a context with one partition (with more, what a read tells holds
    // other partitions' places, too). That of a gap when the context ended there.
    std::vector<std::string> tokens;
    std::size_t acknowledged = 0;  // every offset below was
  };
  struct Topic {
    std::string name;
    bool plain = false;
    std::size_t partitions = 1;
    std::size_t first = 0;  // of its tracks
    bool there = false;     // since the open, at the latest
  };
  struct Pending {
    Operation operation;
    Track* track = nullptr;
  };
  // What was decided and wrote something.
  struct Step {
    const Track* track = nullptr;
    std::size_t end = 0;  // of the partition, behind it
  };

  // store_harness.cc
  void add_topic(const std::string& name, bool plain, std::size_t partitions);
  [[nodiscard]] Track& choose_track();
  [[nodiscard]] Track& track_of(const Operation& operation, Track& chosen);
  void submit(Track& track, Operation operation);
  void submit_produced(const Track& track, const Operation& operation);
  void submit_batch(const Track& track, const Operation& operation);
  // What an answer is for, and nothing when the answer says that the store has ended.
  [[nodiscard]] std::optional<Pending> take_answered(const Status& status);
  void run_blocking(Track& track, Operation operation);
  Model::Answer apply(Track& track, const Operation& operation);
  void answered(Track& track, const Operation& operation, const Result<Appended>& result);
  void compare(Track& track, const Operation& operation, const Model::Answer& expected, const Appended& told);
  void answered_produced(Track& track, const Operation& operation, const ProducedReply& reply);
  void compare_produced(Track& track, const Operation& operation, const Model::Answer& expected, const BatchAppended& told);
  // A producer needs a topic, and makes none: rides are there at once, or with the first append.
  void make_topics();
  void complain(const std::string& what);
  void read_failed(const std::string& what, const Error& error);

  // store_harness_verify.cc
  void compare_recovered();
  void compare_recovered(Topic& topic);
  void check_order();
  // How many offsets each partition has, when all of them hold what the models say. Nothing: a fault came in between, or it was complained of.
  std::optional<std::vector<std::size_t>> compare_offsets(const Topic& topic);
  std::optional<std::vector<std::size_t>> compare_events(const Topic& topic);
  std::optional<std::vector<std::size_t>> compare_records(const Topic& topic);
  void compare_event(Track& track, const Event& event, std::size_t offset);
  [[nodiscard]] std::string find_damage() const;
  void verify_streams(const Topic& topic);
  void verify_stream(Track& track, const std::string& name, const Model::Head& head);
  void verify_list(const Topic& topic);
  void verify_end(const Topic& topic);
  // What was acknowledged to a producer is known: sent again it is answered as the first time, and nothing is written.
  void verify_producers();
  void verify_context(const Topic& topic);
  void verify_subscription(const Topic& topic);
  void verify_filter(const Topic& topic, const Filter& filter, bool backward);
  void verify_info();
  void verify_directory(const std::string& directory);
  // Offsets by partition against those of the models that `wanted` names.
  template <typename Wanted>
  void compare_seen(const Topic& topic, const std::string& what, const std::vector<std::vector<std::int64_t>>& seen, Wanted wanted);
  [[nodiscard]] Track& track(const Topic& topic, std::size_t partition) { return tracks_[topic.first + partition]; }
  [[nodiscard]] std::size_t events_of(const Topic& topic);

  os::SimWorld world_;
  os::SeededRandom random_;
  Options options_;
  std::vector<Topic> topics_;
  std::deque<Track> tracks_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Store> store_;
  StoreCore* core_ = nullptr;            // the store's: producers write through it
  std::deque<Pending> pending_;          // not answered, in the order of submission
  std::vector<Step> order_;              // over all partitions
  std::string directory_ = "/data";
  int copies_ = 0;                       // backups that were made
  bool store_failed_ = false;
  int fatal_ = 0;
  bool may_refuse_no_space_ = false;
  bool index_damaged_ = false;
  std::string problem_;
};

}  // namespace baton::store::testing
