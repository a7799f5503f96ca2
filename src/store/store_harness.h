// Drives a store on the simulated machine with random operations, and holds it to the model: every answer, and after each crash and
// restart everything that can be read. For tests.
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
  // Everything that can be read, against the model.
  void verify();

  [[nodiscard]] bool alive() const { return env_ != nullptr && env_->alive(); }
  [[nodiscard]] bool failed() const { return store_failed_; }
  [[nodiscard]] os::SimWorld& world() { return world_; }
  [[nodiscard]] os::SimEnv& env() { return *env_; }
  [[nodiscard]] os::SeededRandom& random() { return random_; }
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const std::string& problem() const { return problem_; }  // the first that was found; empty: none
  void expect_no_space() { may_refuse_no_space_ = true; }
  // A crash may take back what was acknowledged (durability interval and a power loss).
  void allow_loss() { acknowledged_ = 0; }

 private:
  struct Pending {
    Operation operation;
  };
  void submit(Operation operation);
  void submit_produced(const Operation& operation);
  // The operation that an answer is for, and nothing when the answer says that the store has ended.
  [[nodiscard]] std::optional<Operation> take_answered(const Status& status);
  void run_blocking(Operation operation);
  void answered(const Operation& operation, const Result<Appended>& result);
  void compare(const Operation& operation, const Model::Answer& expected, const Appended& told);
  void answered_produced(const Operation& operation, const ProducedReply& reply);
  void compare_produced(const Operation& operation, const Model::Answer& expected, const BatchAppended& told);
  void compare_recovered();
  // A producer needs a context, and makes none: it is there at once, or with the first append.
  void look_for_context();
  // How many offsets the context has, when all of them hold what the model says. Nothing: a fault came in between, or it was complained of.
  std::optional<std::size_t> compare_offsets();
  void compare_event(const Event& event, Model::Entry& entry, std::size_t offset);
  void verify_streams();
  void verify_end();
  // What was acknowledged to a producer is known: sent again it is answered as the first time, and nothing is written.
  void verify_producers();
  void verify_context();
  void verify_subscription();
  void verify_filter(const Filter& filter, bool backward);
  void complain(const std::string& what);
  void read_failed(const std::string& what, const Error& error);

  os::SimWorld world_;
  os::SeededRandom random_;
  Options options_;
  Model model_{"rides"};
  RandomOperations operations_{random_, "rides"};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Store> store_;
  StoreCore* core_ = nullptr;            // the store's: producers write through it
  std::deque<Pending> pending_;          // not answered, in the order of submission
  std::vector<std::string> tokens_;      // positions by offset, as far as they were told; that of a gap when the context ended there
  std::size_t acknowledged_ = 0;         // every offset below was
  bool has_context_ = false;             // since the open, at the latest
  bool store_failed_ = false;
  int fatal_ = 0;
  bool may_refuse_no_space_ = false;
  std::string problem_;
};

}  // namespace baton::store::testing
