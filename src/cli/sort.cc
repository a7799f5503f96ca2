#include "cli/sort.h"

#include <algorithm>
#include <utility>

#include "base/try.h"
#include "cli/sort_run.h"

namespace baton::cli {

namespace {

// A heap of runs, the one with the least record on top.
class Merge final : public SortedRecords {
 public:
  [[nodiscard]] Status open(os::FileSystem& fs, const std::vector<std::string>& paths) {
    for (const auto& path : paths) {
      BATON_TRY_ASSIGN(auto run, RunReader::open(fs, path, decoder_));
      BATON_TRY_ASSIGN(const bool have, run->next());
      if (have) heap_.push_back(std::move(run));
    }
    std::ranges::make_heap(heap_, later);
    return {};
  }

  [[nodiscard]] Result<bool> next(SortKey& key, std::string_view& payload) override {
    if (std::exchange(handed_out_, false)) {  // only now, since its payload was in use
      BATON_TRY_ASSIGN(const bool have, heap_.back()->next());
      if (have) std::ranges::push_heap(heap_, later);
      else heap_.pop_back();
    }
    if (heap_.empty()) return false;
    std::ranges::pop_heap(heap_, later);
    handed_out_ = true;
    key = heap_.back()->key();
    payload = heap_.back()->payload();
    return true;
  }

 private:
  static bool later(const std::unique_ptr<RunReader>& a, const std::unique_ptr<RunReader>& b) { return b->key() < a->key(); }
  RunDecoder decoder_;
  std::vector<std::unique_ptr<RunReader>> heap_;
  bool handed_out_ = false;  // the last of heap_ is out of the heap
};

}  // namespace

Result<std::unique_ptr<ExternalSorter>> ExternalSorter::open(os::Env& env, std::string directory, SortOptions options) {
  BATON_TRY(os::remove_tree(env.fs(), directory));
  BATON_TRY(os::make_directories(env.fs(), directory));
  return std::unique_ptr<ExternalSorter>(new ExternalSorter(env, std::move(directory), options));
}

ExternalSorter::~ExternalSorter() { (void)os::remove_tree(env_.fs(), directory_); }

std::string ExternalSorter::new_path() { return os::join(directory_, "run-" + std::to_string(paths_++)); }

Status ExternalSorter::add(SortKey key, std::string_view payload) {
  if (arena_.capacity() == 0) arena_.reserve(options_.run_bytes);  // pages that are not reached cost nothing
  if (!entries_.empty() && arena_.size() + payload.size() + entries_.size() * sizeof(Entry) > options_.run_bytes) BATON_TRY(spill());
  entries_.push_back({key, static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(payload.size())});
  arena_.insert(arena_.end(), payload.begin(), payload.end());
  ++records_;
  return {};
}

Status ExternalSorter::spill() {
  std::ranges::sort(entries_, {}, &Entry::key);
  runs_.push_back(new_path());
  BATON_TRY_ASSIGN(auto writer, RunWriter::create(env_.fs(), runs_.back(), options_.block_bytes));
  for (const auto& entry : entries_) BATON_TRY(writer->add(entry.key, {arena_.data() + entry.offset, entry.size}));
  BATON_TRY(writer->finish());
  entries_.clear();
  arena_.clear();
  return {};
}

Status ExternalSorter::finish() {
  if (!entries_.empty()) BATON_TRY(spill());
  arena_ = {};
  entries_ = {};
  while (runs_.size() > options_.fan_in) BATON_TRY(merge_some());
  return {};
}

// The oldest runs become one, as many as it takes and not more than can be merged at once.
Status ExternalSorter::merge_some() {
  const auto count = std::min(options_.fan_in, runs_.size() - options_.fan_in + 1);
  const std::vector<std::string> some(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(count));
  BATON_TRY_ASSIGN(const auto records, merge(some));
  const auto path = new_path();
  BATON_TRY_ASSIGN(auto writer, RunWriter::create(env_.fs(), path, options_.block_bytes));
  SortKey key;
  std::string_view payload;
  for (;;) {
    BATON_TRY_ASSIGN(const bool have, records->next(key, payload));
    if (!have) break;
    BATON_TRY(writer->add(key, payload));
  }
  BATON_TRY(writer->finish());
  for (const auto& old : some) BATON_TRY(env_.fs().remove(old));
  runs_.erase(runs_.begin(), runs_.begin() + static_cast<std::ptrdiff_t>(count));
  runs_.push_back(path);
  return {};
}

Result<std::unique_ptr<SortedRecords>> ExternalSorter::merge(const std::vector<std::string>& runs) {
  auto out = std::make_unique<Merge>();
  BATON_TRY(out->open(env_.fs(), runs));
  return std::unique_ptr<SortedRecords>(std::move(out));
}

Result<std::unique_ptr<SortedRecords>> ExternalSorter::read() { return merge(runs_); }

}  // namespace baton::cli
