#include "run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "derived.h"
#include "os/file.h"
#include "store/backup.h"
#include "store/store_impl.h"

namespace baton::simulation {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 40;
constexpr std::uint64_t kReserve = 32u << 20;  // the log keeps so much of the disk free

constexpr const char* kFateNames[] = {"close", "kill", "power", "kill, then power", "failed sync", "failed write", "failed reads", "full disk", "rest, then kill"};

os::SimOptions world_options(std::uint64_t seed, const Plan& plan) {
  os::SimOptions options{.seed = seed};
  options.crash.powersafe_overwrite = plan.powersafe_overwrite;
  options.max_steps_per_wait = 2'000'000;
  return options;
}

// From 1 to `most`, small numbers as likely as large ones.
std::uint64_t soon(os::SeededRandom& random, std::uint64_t most) {
  std::uint64_t limit = 4;
  while (limit < most && random.below(4) != 0) limit *= 3;
  return 1 + random.below(std::min(limit, most));
}

}  // namespace

Plan Plan::of(std::uint64_t seed) {
  os::SeededRandom random(seed * 31 + 7);
  const auto one_of = [&](auto... values) {
    const std::uint64_t all[] = {static_cast<std::uint64_t>(values)...};
    return all[random.below(sizeof...(values))];
  };
  Plan plan;
  plan.durability = random.chance(150) ? Durability::interval : Durability::fsync;
  plan.segment_bytes = one_of(4 << 10, 8 << 10, 32 << 10, 256 << 10);
  plan.journal_bytes = one_of(8 << 10, 16 << 10, 64 << 10, 512 << 10);
  plan.index_table_entries = one_of(64, 64, 256, 4096);
  plan.powersafe_overwrite = random.chance(500);
  plan.views = random.chance(350);
  plan.large = random.chance(60);
  plan.processes = static_cast<int>(2 + random.below(7));
  plan.operations = static_cast<int>(one_of(15, 40, 40, 120));
  plan.damage = random.chance(300);
  plan.retires = random.chance(200);
  if (plan.retires) {
    plan.segment_bytes = 4 << 10;
    plan.operations = std::max(plan.operations, 60);
  }
  return plan;
}

std::string Plan::to_string() const {
  std::string out = durability == Durability::fsync ? "fsync" : "interval";
  out += ", segments of " + std::to_string(segment_bytes) + ", journals of " + std::to_string(journal_bytes) + ", index tables of " +
         std::to_string(index_table_entries) + ", " + std::to_string(processes) + " processes of " + std::to_string(operations) + " operations";
  if (!powersafe_overwrite) out += ", no power-safe overwrite";
  if (views) out += ", views";
  if (large) out += ", large rounds";
  if (retires) out += ", much retention";
  if (damage) out += ", damage";
  return out;
}

Run::Run(std::uint64_t seed) : Run(seed, Plan::of(seed)) {}

Run::Run(std::uint64_t seed, const Plan& plan) : plan_(plan), world_(world_options(seed, plan)), random_(seed ^ 0x53494D) {
  histories_.emplace_back("one", 1);
  histories_.emplace_back("many", 3);
  lost_.resize(histories_.size());
  topics_.resize(histories_.size());
}

Run::~Run() {
  derived_ = nullptr;
  store_ = nullptr;
}

void Run::wrong(const std::string& what) {
  if (wrong_.empty()) wrong_ = what;
}

bool Run::alive() const {
  const bool is = env_ != nullptr && env_->alive();
  if (is && !ended_) alive_ns_ = world_.now_ns();
  return is;
}

void Run::say(const std::string& what) const {
  if (talks_) std::fprintf(stderr, "%12lld us  %s\n", static_cast<long long>(world_.now_ns() / 1000), what.c_str());
}

bool Run::fine(const Error* error, const std::string& doing) {
  if (!wrong_.empty() || !alive()) return false;
  if (error == nullptr) return true;
  say(doing + ": " + error->to_string());
  if (damaged_ && error->code == Code::corrupt) return false;
  const bool expected = error->code == Code::io_error || error->code == Code::store_failed || error->code == Code::no_space ||
                        error->code == Code::unavailable;
  if (!faulty_ || !expected) wrong(doing + ": " + error->to_string());
  return false;
}

std::string Run::go() {
  constexpr Fate kFates[] = {Fate::close, Fate::kill, Fate::kill, Fate::kill, Fate::power, Fate::power, Fate::power, Fate::power,
                             Fate::kill_then_power, Fate::failed_sync, Fate::failed_sync, Fate::failed_sync, Fate::failed_sync, Fate::failed_write,
                             Fate::failed_reads, Fate::full_disk};
  for (int i = 0; i < plan_.processes && wrong_.empty(); ++i) one_process(kFates[random_.below(std::size(kFates))]);
  const bool rests = plan_.damage && random_.chance(500);
  if (wrong_.empty()) one_process(rests ? Fate::rest : Fate::close);
  if (wrong_.empty()) verify_finds_nothing();
  if (wrong_.empty() && plan_.damage) flip_bits();
  return wrong_;
}

// Another process reads beside what a killed one has left. Whatever it shows must be there for ever (fsync).
void Run::look_on() {
  os::SimEnv env(world_);
  Options options;
  options.read_only = true;
  const auto opened = store::open_store(env, kDirectory, options);
  if (!opened) {
    // Before the first open was over there is nothing to read, and a change of the marks may be half done.
    const Code code = opened.error().code;
    if (code != Code::not_found && code != Code::unavailable) wrong("open to read beside a killed writer: " + opened.error().to_string());
    return;
  }
  for (std::size_t c = 0; c < histories_.size(); ++c) {
    const auto done = (*opened)->scan({.context = histories_[c].context(), .after = {}, .filter = {}, .as_of = {}}, [&](const EventView& event) {
      auto& shown = shown_[{c, static_cast<std::size_t>(event.partition)}];
      shown = std::max(shown, event.offset + 1);
      return true;
    });
    if (!done && done.error().code != Code::not_found) wrong("read beside a killed writer: " + done.error().to_string());
  }
  if (wrong_.empty()) back_up_beside(env, **opened);
}

// A copy that the reader takes holds what the reader shows, event by event.
void Run::back_up_beside(os::SimEnv& env, Store& reader) {
  const auto clear = [&] {
    (void)os::remove_tree(env.fs(), "/backup");
    (void)os::remove_tree(env.fs(), "/restored");
    (void)env.fs().sync_directory("/");  // no power loss brings them back
  };
  clear();
  const auto done = reader.backup("/backup", {});
  // The writer may have died before it had published its first marks; or the disk is full.
  if (!done && (done.error().code == Code::unavailable || done.error().code == Code::no_space)) return clear();
  if (!done) return wrong("back up beside a killed writer: " + done.error().to_string());
  const auto restored = store::restore_store(env, "/backup", "/restored", {});
  if (!restored && restored.error().code == Code::no_space) return clear();
  if (!restored) return wrong("restore a backup of beside a killed writer: " + restored.error().to_string());
  const auto copy = store::open_store(env, "/restored", Options{});
  if (!copy) return wrong("open a restored backup: " + copy.error().to_string());
  const auto text_of = [&](Store& store, const std::string& context) {
    std::string text;
    const auto read = store.scan({.context = context, .after = {}, .filter = {}, .as_of = {}}, [&](const EventView& event) {
      text += std::to_string(event.partition) + " " + std::to_string(event.offset) + " " + std::to_string(event.epoch) + " " +
              std::string(event.stream) + " " + std::to_string(event.version) + " " + std::string(event.data) + "\n";
      return true;
    });
    return read ? text : read.error().to_string();
  };
  for (const auto& history : histories_) {
    if (text_of(reader, history.context()) != text_of(**copy, history.context())) wrong("a backup of " + history.context() + " is not what its reader shows");
  }
  (void)(*copy)->close();
  clear();
  say("backed up beside the killed writer");
}

std::string Run::go_short(const Script& script, std::uint64_t point, os::Choices& choices, bool& struck) {
  auto& disk = world_.disk();
  fate_ = Fate::power;
  const auto start = [&] {
    env_ = std::make_unique<os::SimEnv>(world_);
    return open_store(Fate::close) && check_recovered() && make_contexts();
  };
  if (!start()) return "the script cannot begin: " + wrong_;
  if (script.recovers) {
    append_something();
    wait_for_answers();
    env_->kill();
    store_ = nullptr;
  }
  disk.crash.styles = false;
  disk.crash.directory_subsets = false;
  disk.crash.fates = {.lost = 1, .kept = 1, .torn = 1, .zeroed = 0, .garbage = 0};
  disk.decide_with(&choices);
  disk.faults.power_loss_at = disk.counters().mutations + point;
  if (!script.recovers || start()) {
    for (int i = 0; i < script.appends && going(); ++i) submit({.context = 0, .request = new_append(0)}, script.waits);
    if (script.removes && going()) remove_or_truncate();
    if (going()) wait_for_answers();
    if (script.closes && going()) (void)store_->close();
  }
  struck = !disk.powered();
  end_process(Fate::power);
  disk.decide_with(nullptr);
  if (wrong_.empty()) one_process(Fate::close);
  if (wrong_.empty()) verify_finds_nothing();
  return wrong_;
}

Options Run::options() {
  Options options;
  options.on_warning = [this](const std::string& text) { say("warning: " + text); };
  options.durability = plan_.durability;
  options.interval_ms = 50;
  options.segment_bytes = plan_.segment_bytes;
  options.journal_bytes = plan_.journal_bytes;
  options.index_table_entries = plan_.index_table_entries;
  options.on_fatal = [this](const Error& error) {
    ended_ = true;
    if (alive() && !faulty_) wrong("the store has ended without a reason: " + error.to_string());
  };
  return options;
}

// Faults are numbered from now on. Half of them strike while the store opens or soon after.
void Run::arm(Fate fate) {
  auto& faults = world_.disk().faults;
  const auto& counters = world_.disk().counters();
  faults = {};
  faults.capacity_bytes = kNoLimit;
  faulty_ = false;
  switch (fate) {
    case Fate::close:
    case Fate::rest: break;
    case Fate::kill:
    case Fate::kill_then_power: env_->kill_in(soon(random_, 1500)); break;
    case Fate::power: faults.power_loss_at = counters.mutations + soon(random_, 1500); break;
    case Fate::failed_sync:
      // Where a directory's sync failed, a later process cannot make its names durable: the machine must go down before there is one.
      sync_of_any_failed_ = random_.chance(250);
      if (sync_of_any_failed_) {
        faults.fail_sync_at = counters.syncs + soon(random_, 300);
      } else {
        faults.fail_data_sync_at = counters.data_syncs + soon(random_, 60);
      }
      view_sync_failed_ = plan_.views;
      faulty_ = true;
      break;
    case Fate::failed_write:
      faults.fail_write_at = counters.writes + soon(random_, 600);
      faulty_ = true;
      break;
    case Fate::failed_reads:
      faults.fail_read_per_mille = static_cast<std::uint32_t>(1 + random_.below(100));
      faulty_ = true;
      break;
    case Fate::full_disk: {
      // Either the log's reserve is reached, or somebody else took that too.
      const std::uint64_t room = random_.below(64) * 4096;
      faults.capacity_bytes = world_.disk().used_bytes() + room + (random_.below(2) == 0 ? kReserve : 0);
      faulty_ = true;
      space_was_short_ = true;
      // What waits for space, an open among it, waits until somebody makes some.
      operator_ = env_->make_executor("operator");
      const std::int64_t later = static_cast<std::int64_t>(1 + random_.below(20'000)) * kNsPerMs;
      operator_->run_at(env_->clock().monotonic_ns() + later, [this] { world_.disk().faults.capacity_bytes = kNoLimit; });
      break;
    }
  }
}

// Lets the end that this process will come to strike in what it does next, in one of the next changes of the disk, if that end is one
// that strikes. `kills`: where the power would fail, the process is killed instead.
void Run::strike_soon(std::uint64_t within, bool kills) {
  auto& faults = world_.disk().faults;
  const std::uint64_t changes = 1 + random_.below(within);
  const bool power = faults.power_loss_at != 0;
  if (power && !kills) faults.power_loss_at = world_.disk().counters().mutations + changes;
  if ((power && kills) || fate_ == Fate::kill || fate_ == Fate::kill_then_power) env_->kill_in(changes);
}

// What comes first into a new file of the journal must know what the segments hold before it.
void Run::strike_soon_in_a_new_journal() {
  if (world_.disk().faults.power_loss_at == 0) return;
  std::string newest;
  for (const auto& file : world_.disk().files()) {
    if (file.path.starts_with("/data/journal/")) newest = file.path;
  }
  if (newest == std::exchange(journal_, newest)) return;
  if (random_.chance(300)) strike_soon(40);
}

void Run::one_process(Fate fate) {
  fate_ = fate;
  env_ = std::make_unique<os::SimEnv>(world_);
  ended_ = false;
  // What is forgotten between two processes: the wall clock may be anything.
  if (random_.chance(100)) world_.step_wall_ms(static_cast<std::int64_t>(random_.below(7'200'000)) - 3'600'000);
  arm(fate);
  say(std::string("a process begins; its fate: ") + kFateNames[static_cast<int>(fate)]);
  if (open_store(fate)) {
    if (check_recovered() && make_contexts()) {
      derived_ = std::make_unique<Derived>(*this);
      derived_->open();
      if (going()) work(fate);
    }
  }
  end_process(fate);
}

// Rounds beside the next ones' decisions, or not, and of any size.
store::Pipelining Run::pipelining() {
  store::Pipelining out{.always_beside = random_.chance(600)};
  if (random_.chance(300)) out.decided_at_once = 1 + random_.below(4);
  return out;
}

bool Run::open_store(Fate fate) {
  auto opened = store::open_store(*env_, kDirectory, options(), pipelining());
  if (!alive()) return false;
  if (!opened && faulty_) {
    // The reason goes away; the same process tries again, as an operator would. After a failed sync it must not.
    const Code code = opened.error().code;
    if (code != Code::io_error && code != Code::no_space && code != Code::store_failed) {
      wrong("open, with a failing disk: " + opened.error().to_string());
      return false;
    }
    ++counts_.failed_recoveries;
    world_.disk().faults = {};
    faulty_ = false;
    if (fate == Fate::failed_sync || fate == Fate::failed_write) return false;
    ended_ = false;  // what was being opened may have told that it has; this is another
    opened = store::open_store(*env_, kDirectory, options(), pipelining());
  }
  if (!opened) {
    wrong("open: " + opened.error().to_string());
    return false;
  }
  store_ = *std::move(opened);
  return wrong_.empty();
}

bool Run::make_contexts() {
  for (History& history : histories_) {
    if (!history.created) {
      ContextOptions options;
      options.partitions = static_cast<std::int32_t>(history.partitions().size());
      options.data_bytes_max = 64u << 10;
      if (history.context() == "many") options.history_deletable = true, options.retention_bytes = static_cast<std::int64_t>(plan_.segment_bytes * 2);
      const auto made = store_->create_context(history.context(), options);
      if (!made.ok() && made.error().code != Code::already_exists && !fine(made, "create_context")) return false;
      history.created = true;
    }
  }
  return going();
}

void Run::work(Fate fate) {
  const int operations = 1 + static_cast<int>(random_.below(static_cast<std::uint64_t>(plan_.operations)));
  for (int i = 0; i < operations && going(); ++i) {
    const std::uint64_t dice = random_.below(100);
    if (dice < (plan_.retires ? 44 : 46)) {
      append_something();
    } else if (dice < 46) {
      apply_retention();
    } else if (dice < 56) {
      repeat_something();
    } else if (dice < 60) {
      remove_or_truncate();
    } else if (dice < 66) {
      read_a_stream();
    } else if (dice < 72) {
      read_a_context();
    } else if (dice < 75) {
      read_heads();
    } else if (dice < 77) {
      apply_retention();
    } else if (dice < 79) {
      world_.run_for(static_cast<std::int64_t>(random_.below(3000)) * kNsPerMs);
    } else if (dice < 80) {
      world_.step_wall_ms(static_cast<std::int64_t>(random_.below(20'000)) - 10'000);
    } else if (dice < 84) {
      for (std::uint64_t n = random_.below(30); n > 0; --n) (void)world_.step();
    } else {
      derived_->do_something();
    }
    strike_soon_in_a_new_journal();
    if (fate == Fate::full_disk && going() && random_.chance(30)) free_the_disk();
  }
  if (fate == Fate::full_disk && going()) free_the_disk();
  if (going() && random_.chance(700)) wait_for_answers();
  if (going() && random_.chance(300)) check_all();
}

// F13: whatever waited for space goes on, and nothing must be repaired.
void Run::free_the_disk() {
  world_.disk().faults.capacity_bytes = kNoLimit;
  world_.run_for(3'000 * kNsPerMs);
  if (!alive()) return;
  if (ended_) {
    wrong("a full disk has ended the store");
    return;
  }
  wait_for_answers();
  faulty_ = false;
  append_something();
  wait_for_answers();
  if (going()) check_all();
}

void Run::wait_for_answers() {
  world_.run_until([&] { return in_flight_.empty() || !going(); });
  if (going() && !in_flight_.empty()) wrong(std::to_string(in_flight_.size()) + " appends are never answered");
}

// A host that links the library goes on when its store has ended (F12): every call says so, and nothing that is not durable is shown.
void Run::live_on() {
  world_.run_for(static_cast<std::int64_t>(random_.below(20)) * kNsPerMs);
  const ReadContext request{.context = "one", .after = {}, .filter = {}, .as_of = {}};
  const auto page = store_ != nullptr ? store_->read_context(request) : Result<ContextPage>(Error{Code::store_failed, {}});
  if (page || page.error().code != Code::store_failed) wrong("a read after the store has ended: " + (page ? "events" : page.error().to_string()));
}

void Run::end_process(Fate fate) {
  // After a failed sync the process must end: what it has told so far counts, nothing else.
  if (fate == Fate::rest && going()) world_.run_for(2'000 * kNsPerMs);  // the last round comes under a mark
  if (ended_ && alive() && wrong_.empty() && random_.chance(700)) live_on();
  const bool closes = wrong_.empty() && alive() && !ended_ && !faulty_ && fate == Fate::close;
  if (closes) {
    wait_for_answers();
    if (going()) check_all();
    derived_ = nullptr;
    const Status closed = store_ != nullptr ? store_->close() : Status();
    if (!closed) wrong("close: " + closed.error().to_string());
  } else if (alive()) {
    env_->kill();
  }
  if (died_ns_ < 0) died_ns_ = alive_ns_;
  if (talks_) {
    for (const auto& file : world_.disk().files()) {
      say("  " + file.path + ", " + std::to_string(file.size) + " bytes, " + std::to_string(file.durable_size) + " of them durable");
    }
  }
  say(closes ? "closed" : ended_ ? "the store has ended" : !world_.disk().powered() ? "the power has failed" : "killed");
  if (world_.disk().powered()) {
    if (!closes) ++counts_.kills;
    const bool looks_on = plan_.durability == Durability::fsync && wrong_.empty() && random_.chance(300);
    if (looks_on) {
      derived_ = nullptr;
      store_ = nullptr;
      world_.disk().faults = {};
      look_on();
    }
    const bool goes_down = fate == Fate::kill_then_power || (fate == Fate::failed_sync && (sync_of_any_failed_ || random_.chance(600)));
    if (goes_down || (!closes && fate != Fate::rest && random_.chance(100))) world_.disk().cut_power();
  }
  derived_ = nullptr;
  store_ = nullptr;
  operator_ = nullptr;
  env_ = nullptr;
  world_.disk().faults = {};
  faulty_ = false;
  if (!world_.disk().powered()) {
    ++counts_.power_cuts;
    power_was_cut_ = true;
    world_.disk().restart();
    say("the machine starts again");
  }
}

}  // namespace baton::simulation
