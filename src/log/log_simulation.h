// One random history of a log on a simulated machine: appends, checkpoints, rolls, retention, kills, power losses, failed syncs, full
// disks; and what must hold whatever happens. Used by the tests of this layer.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/log.h"
#include "os/sim_env.h"

namespace baton::log {

struct SimulationOptions {
  std::uint64_t seed = 1;
  int lives = 4;                    // opens, each but the last ended by something
  int steps = 60;                   // of a life
  bool powersafe_overwrite = true;
};

class LogSimulation {
 public:
  explicit LogSimulation(const SimulationOptions& options);
  ~LogSimulation();

  // Empty: everything held. Otherwise what did not, for a person.
  [[nodiscard]] std::string run();
  // After run: flips one bit of a durable file, opens, reads all. Empty: found or harmless.
  [[nodiscard]] std::string run_with_damage();
  [[nodiscard]] std::uint64_t trace_hash() const { return world_.trace_hash(); }

 private:
  // What is known of a partition. Record i has offset i.
  struct Model {
    std::string topic;
    PartitionKey key;
    Durability durability = Durability::fsync;
    bool created = false;            // acknowledged
    std::vector<std::string> attempted;
    std::size_t acknowledged = 0;    // visible at some time
    std::size_t durable = 0;         // acknowledged as durable
    std::int64_t start = 0;          // the log start that was acknowledged
    std::int64_t start_attempted = 0;
    bool idempotent = false;         // all batches are of one producer, with sequences
    std::vector<ProducedBatch> produced;  // in the order of their offsets
  };
  enum class End { close, kill, power, drop };

  [[nodiscard]] LogOptions log_options();
  [[nodiscard]] std::string find_damage();
  [[nodiscard]] bool open_log();
  void plan_end();
  void step();
  void append_some();
  void flush();
  void note_acknowledged();
  void create_topic();
  void add_partition();
  void remove_some();
  void end_life();
  void check_recovered();
  void check_partition(Model& model, bool power_was_lost);
  [[nodiscard]] static BatchHeader fields_of(const Model& model, const ProducedBatch& batch);
  [[nodiscard]] static ProducedBatch next_of(const Model& model, std::size_t records);
  void check_producer(Model& model, std::int64_t end);
  [[nodiscard]] std::optional<std::string> read_all(const PartitionReader& reader, std::int64_t from, std::vector<std::string>& values);
  void note_failure(const Error& error);
  void fail(const std::string& what);
  [[nodiscard]] std::uint64_t below(std::uint64_t n) { return world_.random().below(n); }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }

  const SimulationOptions options_;
  os::SimWorld world_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<os::Executor> owner_;
  std::unique_ptr<os::Executor> worker_;
  std::unique_ptr<Log> log_;
  std::vector<Model> models_;
  LogOptions chosen_;
  Epoch last_epoch_{0};
  std::uint64_t values_ = 0;
  End end_ = End::close;
  bool was_power_lost_ = false;
  bool sync_failed_ = false;
  bool names_forgotten_ = false;
  std::string failure_;
};

}  // namespace baton::log
