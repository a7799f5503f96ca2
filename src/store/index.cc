#include "store/index.h"

#include <algorithm>

#include "base/check.h"
#include "base/try.h"
#include "store/index_core.h"

namespace baton::store {

Index::Core::Core(os::Env& env, std::string directory, const IndexOptions& options, os::Executor* owner,
                  os::Executor* worker)
    : env_(env), fs_(env.fs()), directory_(std::move(directory)), options_(options), owner_(owner), worker_(worker), group_(options.group), manifest_file_(fs_, directory_) {
  BATON_CHECK(options_.table_entries >= 2 && options_.table_entries <= kTableEntriesMax &&
                  options_.merge_fan >= 2 && options_.merge_fan <= 64,
              "index options are out of range: table_entries 2 to 1,048,575, merge_fan 2 to 64");
  BATON_CHECK(options_.read_only || (owner_ != nullptr && worker_ != nullptr), "an index that writes needs both executors");
  if (!options_.read_only && !group_) group_ = std::make_shared<IndexGroup>(env_, directory_, *worker_, *worker_);
}

// Posted, never called: the owner may be in the middle of something. Nothing runs after close().
void Index::Core::post_owner(std::function<void(Core&)> task) {
  if (owner_ == nullptr) return;
  owner_->post([weak = weak_from_this(), task = std::move(task)] {
    if (const auto core = weak.lock(); core && !core->closed_.load()) task(*core);
  });
}

void Index::Core::warn(std::string text) {
  if (!options_.warn) return;
  post_owner([text = std::move(text)](Core& core) { core.options_.warn(text); });
}

std::shared_ptr<IndexDamage> Index::Core::make_damage() {
  return std::make_shared<IndexDamage>([weak = weak_from_this()](const Error& error) {
    const auto core = weak.lock();
    if (!core) return;
    {
      const std::lock_guard guard(core->state_mutex_);
      // A full disk is waited for; damage must be told all the same.
      if (core->health_ || core->health_.error().code == Code::no_space) core->health_ = error;
    }
    core->post_owner([error](Core& self) {
      if (self.options_.on_failure) self.options_.on_failure(error);
    });
  });
}

// Reads manifest and runs once. not_found and corrupt mean that there is no index to be had from them.
Status Index::Core::load(IndexManifest& manifest, Runs& runs) const {
  BATON_TRY_ASSIGN(manifest, IndexManifest::read(fs_, directory_));
  const Runs known = std::move(runs);
  runs.clear();
  for (const RunInfo& info : manifest.runs) {
    const auto same = std::ranges::find_if(known, [&](const auto& run) { return run->info() == info; });
    if (same != known.end()) {
      runs.push_back(*same);
      continue;
    }
    auto run = IndexRun::open(fs_, directory_, info);
    if (!run) return {std::move(run).error()};
    runs.push_back(*std::move(run));
  }
  return {};
}

// The writer may replace the manifest and remove runs between our reading the one and opening the others.
Status Index::Core::load_as_reader(IndexManifest& manifest, Runs& runs) const {
  constexpr int kAttempts = 8;
  const Runs known = runs;
  Status loaded;
  for (int i = 0; i < kAttempts; ++i) {
    runs = known;
    loaded = load(manifest, runs);
    if (loaded || loaded.error().code != Code::not_found) return loaded;
  }
  return loaded;
}

Status Index::Core::open() {
  if (!options_.read_only) BATON_TRY(os::make_directories(fs_, directory_));
  Runs runs;
  const bool has_manifest = fs_.exists(os::join(directory_, IndexManifestFile::kName)).value_or(false);
  auto loaded = options_.read_only ? load_as_reader(manifest_, runs) : load(manifest_, runs);
  if (!loaded) {
    const Error error = loaded.error();
    const bool is_lost = error.code == Code::not_found || error.code == Code::corrupt || error.code == Code::unsupported_format;
    if (!is_lost) return error;
    if (has_manifest) {
      problem_ = Finding{os::join(directory_, IndexManifestFile::kName), 0, error.detail};
      warn("the index in " + directory_ + " cannot be used and is built again from the log: " + error.detail);
    }
    manifest_ = {};
    runs.clear();
    // The manifest goes before the runs that it names.
    if (has_manifest && !options_.read_only) {
      BATON_TRY(fs_.remove(os::join(directory_, IndexManifestFile::kName)));
      BATON_TRY(fs_.sync_directory(directory_));
    }
  }
  if (loaded && !options_.read_only) BATON_TRY(heal_manifest());
  if (!options_.read_only) BATON_TRY(find_strays());
  if (loaded && !strays_.empty()) manifest_file_.distrust();
  const std::lock_guard io(io_mutex_);
  start_empty(manifest_.covered.next);
  publish([&](IndexState& state) { state.runs = std::move(runs); });
  acknowledged_ = covered_ = manifest_.covered;
  if (options_.read_only) return {};
  group_->join();
  go_on();
  return {};
}

// A part of a record that a crash has left is taken away, so that what stands there after a clean close was meant.
Status Index::Core::heal_manifest() {
  BATON_TRY_ASSIGN(const base::Bytes bytes, IndexManifest::read_bytes(fs_, directory_));
  if (IndexManifest::whole_bytes(bytes) == bytes.size()) return {};
  Status healed = manifest_file_.replace(manifest_);
  return !healed && healed.error().code == Code::no_space ? Status() : healed;  // the next change does it
}

// What a crash left: unfinished runs, inputs of finished merges, a manifest that did not get its name. The worker removes it,
// since that takes long for a big file; its numbers are not given out again.
Status Index::Core::find_strays() {
  BATON_TRY_ASSIGN(const auto entries, fs_.list(directory_));
  for (const auto& entry : entries) {
    const auto number = parse_run_file_name(entry.name);
    if (number) {
      const bool is_named = std::ranges::any_of(manifest_.runs, [&](const RunInfo& run) { return run.number == *number; });
      if (is_named) continue;
      manifest_.next_number = std::max(manifest_.next_number, *number + 1);
    } else if (entry.name != IndexManifestFile::kUnnamed) {
      continue;
    }
    strays_.push_back(os::join(directory_, entry.name));
  }
  return {};
}

// No runs, an empty table. With io_mutex_ held.
void Index::Core::start_empty(log::Offset start) {
  active_ = std::make_shared<IndexTable>(options_.table_entries);
  acknowledged_ = {.next = start};
  acknowledged_entries_ = 0;
  has_frozen_.store(false);
  frozen_ns_ = env_.clock().monotonic_ns();
  auto state = std::make_shared<IndexState>();
  state->active = active_;
  state->damage = make_damage();
  const std::lock_guard guard(state_mutex_);
  state_ = std::move(state);
  covered_ = {};
  frozen_covered_ = {};
}

void Index::Core::close() {
  closed_.store(true);
  if (group_) group_->leave();
  state()->damage->close();
  const std::lock_guard io(io_mutex_);  // a step that is running ends first; those that are queued do nothing
  drop_merge();
  drop_written();
}

void Index::Core::add(std::span<const IndexEntry> entries) {
  constexpr std::size_t kAtOnce = 64;  // as many as a near cache holds for sure
  for (; !entries.empty(); entries = entries.subspan(std::min(kAtOnce, entries.size()))) {
    const auto some = entries.first(std::min(kAtOnce, entries.size()));
    for (const IndexEntry& entry : some) active_->prefetch(entry.hash);
    for (const IndexEntry& entry : some) {
      if (entry.offset() >= acknowledged_.next.value()) {
        active_->add(entry);
      } else {
        BATON_CHECK(options_.read_only, "an index entry came after its offset had been acknowledged");
      }
    }
  }
}

void Index::Core::acknowledge(const IndexCovered& upto) {
  if (options_.read_only) return;
  BATON_CHECK(upto.next >= acknowledged_.next, "acknowledged offsets went back");
  acknowledged_ = upto;
  maybe_freeze();
  if (waiting_.load() && !is_full()) post_owner([](Core& core) { core.after_write(); });
}

bool Index::Core::is_full() const {
  const std::size_t size = active_->size();
  return size >= 2 * options_.table_entries || (size >= options_.table_entries && has_frozen_.load());
}

bool Index::Core::full() {
  const bool is = is_full();
  if (is && !waiting_.exchange(true) && group_) {
    group_->hurry();
    if (has_frozen_.load()) schedule(IndexGroup::Turn::table);
  }
  return is;
}

void Index::Core::count_acknowledged() {
  const std::size_t count = active_->size();
  while (acknowledged_entries_ < count &&
         active_->at(static_cast<std::uint32_t>(acknowledged_entries_)).offset() < acknowledged_.next.value()) {
    ++acknowledged_entries_;
  }
}

void Index::Core::maybe_freeze() {
  if (has_frozen_.load() || active_->size() < options_.table_entries) return;
  count_acknowledged();
  // What is not acknowledged yet is copied into the next table: worth it only when that is the smaller part.
  if (acknowledged_entries_ < options_.table_entries / 2) return;
  freeze();
  schedule(IndexGroup::Turn::table);
}

// The table becomes the frozen one up to what is acknowledged; the rest of it begins the next table.
void Index::Core::freeze() {
  count_acknowledged();
  auto next = std::make_shared<IndexTable>(options_.table_entries);
  for (std::size_t i = acknowledged_entries_; i < active_->size(); ++i) {
    const IndexEntry& entry = active_->at(static_cast<std::uint32_t>(i));
    if (entry.offset() >= acknowledged_.next.value()) next->add(entry);
  }
  const auto frozen = std::exchange(active_, std::move(next));
  acknowledged_entries_ = 0;
  const std::int64_t now = env_.clock().monotonic_ns();
  fill_ns_.store(now - std::exchange(frozen_ns_, now));
  has_frozen_.store(true);
  publish([&](IndexState& state) {
    state.frozen = frozen;
    state.frozen_end = acknowledged_.next.value();
    state.active = active_;
    frozen_covered_ = acknowledged_;
  });
}

void Index::Core::after_write() {
  maybe_freeze();
  if (!waiting_.load() || is_full()) return;
  waiting_.store(false);
  if (options_.on_room) options_.on_room();
}

Status Index::Core::flush() {
  if (options_.read_only) return {};
  const std::lock_guard io(io_mutex_);
  if (failed_) return health();
  Status written = write_frozen();
  if (written && acknowledged_ != covered()) {
    freeze();
    written = write_frozen();
  }
  if (written) written = manifest_file_.sync();
  if (!written) {
    failed(written.error());
    return written;
  }
  succeeded();
  go_on();
  return {};
}

Status Index::Core::reset(log::Offset start) {
  if (options_.read_only) return Error{Code::read_only, "an index that was opened read-only cannot be reset"};
  const std::lock_guard io(io_mutex_);
  if (failed_) return health();
  drop_merge();
  drop_written();
  IndexManifest empty;
  empty.next_number = manifest_.next_number;
  if (auto written = manifest_file_.replace(empty); !written) {
    failed(written.error());
    return written;
  }
  const IndexManifest old = std::exchange(manifest_, std::move(empty));
  for (const RunInfo& run : old.runs) remove_run_file(run.number);
  state()->damage->close();
  start_empty(start);
  merging_stopped_ = false;
  succeeded();
  post_owner([](Core& core) { core.after_write(); });
  return {};
}

void Index::Core::drop_below(log::Offset log_start) {
  if (options_.read_only || log_start.value() <= log_start_.load()) return;
  log_start_.store(log_start.value());
  schedule(IndexGroup::Turn::merge);
}

Result<std::optional<IndexCovered>> Index::Core::load_newer() {
  if (!options_.read_only) return Error{Code::invalid_argument, "refresh is for an index that was opened read-only"};
  newer_.reset();
  const auto old = state();
  Runs runs = old->runs;
  IndexManifest manifest;
  if (auto loaded = load_as_reader(manifest, runs); !loaded) {
    // None yet, or the writer is about to build it again: what we have stays as right as it was.
    if (!fs_.exists(os::join(directory_, IndexManifestFile::kName)).value_or(true)) return std::optional<IndexCovered>();
    return Error{Code::unavailable, "the index cannot be read now, try again: " + loaded.error().detail};
  }
  if (manifest == manifest_) return std::optional<IndexCovered>();
  const IndexCovered covered = manifest.covered;
  newer_.emplace(std::move(manifest), std::move(runs));
  return std::optional(covered);
}

void Index::Core::publish_newer() {
  if (!newer_) return;
  auto [manifest, runs] = *std::exchange(newer_, std::nullopt);
  manifest_ = manifest;
  auto table = std::make_shared<IndexTable>(options_.table_entries);
  for (std::size_t i = 0; i < active_->size(); ++i) {
    const IndexEntry& entry = active_->at(static_cast<std::uint32_t>(i));
    if (entry.offset() >= manifest.covered.next.value()) table->add(entry);
  }
  active_ = std::move(table);
  acknowledged_ = manifest.covered;
  publish([&](IndexState& state) {
    state.runs = std::move(runs);
    state.active = active_;
    covered_ = manifest.covered;
  });
}

std::shared_ptr<const IndexState> Index::Core::state() const {
  const std::lock_guard guard(state_mutex_);
  return state_;
}

IndexCovered Index::Core::covered() const {
  const std::lock_guard guard(state_mutex_);
  return covered_;
}

Status Index::Core::health() const {
  const std::lock_guard guard(state_mutex_);
  return health_;
}

Index::Stats Index::Core::stats() const {
  const auto state = this->state();
  Stats stats{.runs = state->runs.size(),
              .table_entries = state->active->size(),
              .table_bytes = state->active->bytes(),
              .written_bytes = written_bytes_.load(),
              .merged_entries = merged_entries_.load(),
              .merges = merges_.load()};
  if (state->frozen) {
    stats.table_entries += state->frozen->size();
    stats.table_bytes += state->frozen->bytes();
  }
  for (const auto& run : state->runs) {
    stats.run_entries += run->info().entries;
    stats.run_bytes += run->layout().file_bytes;
  }
  return stats;
}

Result<std::unique_ptr<Index>> Index::open(os::Env& env, const std::string& directory, const IndexOptions& options,
                                           os::Executor* owner, os::Executor* worker) {
  auto core = std::make_shared<Core>(env, directory, options, owner, worker);
  BATON_TRY(core->open());
  return std::unique_ptr<Index>(new Index(std::move(core)));
}

Index::Index(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Index::~Index() { core_->close(); }

IndexCovered Index::covered() const { return core_->covered(); }
Status Index::reset(log::Offset start) { return core_->reset(start); }
void Index::add(std::uint64_t hash, const IndexHit& hit) {
  const IndexEntry entry = IndexEntry::pack(hash, hit);
  core_->add(std::span(&entry, 1));
}
void Index::add(std::span<const IndexEntry> entries) { core_->add(entries); }
void Index::drop_below(log::Offset log_start) { core_->drop_below(log_start); }
void Index::acknowledge(log::Offset next, log::Epoch epoch, std::uint32_t batch_crc, std::int64_t streams) {
  core_->acknowledge({.next = next, .epoch = epoch, .batch_crc = batch_crc, .streams = streams});
}
bool Index::full() const { return core_->full(); }
Status Index::flush() { return core_->flush(); }
Result<bool> Index::merge_step() { return core_->merge_step(); }
Result<std::optional<IndexCovered>> Index::load() { return core_->load_newer(); }
void Index::publish() { core_->publish_newer(); }
Result<bool> Index::refresh() {
  BATON_TRY_ASSIGN(const auto newer, load());
  publish();
  return newer.has_value();
}
IndexSnapshot Index::snapshot() const { return IndexSnapshot(core_->state()); }
Index::Stats Index::stats() const { return core_->stats(); }
Status Index::health() const { return core_->health(); }

Status Index::verify(const std::function<void(const IndexEntry&)>& visit,
                     const std::function<void(const Finding&)>& found) const {
  if (const auto problem = core_->problem()) found(*problem);
  const auto state = core_->state();
  for (const auto& run : state->runs) {
    run->verify(visit, [&](std::uint64_t position, std::string what) { found({run->path(), position, std::move(what)}); });
  }
  return {};
}

}  // namespace baton::store
