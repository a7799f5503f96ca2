#include "store/index_merge.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/try.h"

namespace baton::store {
namespace {

constexpr std::uint64_t kEnded = std::uint64_t{1} << 32;

// Classes go down to a 512th of a table for what clean closes leave behind.
unsigned size_class(std::uint64_t entries, std::size_t fan, std::size_t table_entries) {
  double limit = static_cast<double>(table_entries) / 2;
  for (int i = 0; i < 3; ++i) limit /= static_cast<double>(fan);
  unsigned size = 0;
  for (; static_cast<double>(entries) >= limit && limit > 0; limit *= static_cast<double>(fan)) ++size;
  return size;
}

}  // namespace

std::optional<std::size_t> pick_merge(const std::vector<RunInfo>& runs, std::size_t fan, std::size_t table_entries) {
  std::optional<std::size_t> best;
  std::array<std::size_t, 64> members{};  // of each class, among the newest runs
  std::size_t classes = 0;                // that have members
  unsigned highest = 0;
  for (std::size_t i = runs.size(); i-- > 0;) {
    const unsigned size = size_class(runs[i].entries, fan, table_entries);
    highest = std::max(highest, size);
    if (members[size]++ == 0) ++classes;
    const bool row_ends = i == 0 || size_class(runs[i - 1].entries, fan, table_entries) > highest;
    const std::size_t length = runs.size() - i;
    if (row_ends && (members[highest] >= fan || length > fan * classes)) best = i;
  }
  return best;
}

Result<std::unique_ptr<IndexMerge>> IndexMerge::start(os::FileSystem& fs, const std::string& directory,
                                                      std::vector<std::shared_ptr<const IndexRun>> inputs,
                                                      std::uint64_t number) {
  RunInfo info{.number = number, .first = inputs.front()->info().first, .end = inputs.back()->info().end};
  for (const auto& run : inputs) info.entries += run->info().entries;
  BATON_TRY_ASSIGN(auto writer, RunWriter::create(fs, directory, info));
  std::unique_ptr<IndexMerge> merge(new IndexMerge(std::move(inputs), info, std::move(writer)));
  return merge;
}

IndexMerge::IndexMerge(std::vector<std::shared_ptr<const IndexRun>> inputs, const RunInfo& info,
                       std::unique_ptr<RunWriter> writer)
    : inputs_(std::move(inputs)), info_(info), writer_(std::move(writer)) {}

IndexMerge::Key IndexMerge::key_of(std::size_t input) const {
  const Cursor& cursor = cursors_[input];
  if (cursor.next == nullptr) return static_cast<Key>(UINT64_MAX) << 64 | kEnded | input;
  return static_cast<Key>(base::load_le<std::uint64_t>(cursor.next)) << 64 | input;
}

Status IndexMerge::enter_block(std::size_t input) {
  Cursor& cursor = cursors_[input];
  const IndexRun& run = *inputs_[input];
  if (cursor.block == run.layout().blocks) {
    cursor.next = nullptr;
    return {};
  }
  BATON_TRY_ASSIGN(cursor.next, run.block(cursor.block));
  cursor.block_end = cursor.next + run.block_entries(cursor.block) * IndexEntry::kBytes;
  ++cursor.block;
  return {};
}

Status IndexMerge::prepare() {
  leaves_ = std::bit_ceil(inputs_.size());
  cursors_.resize(leaves_);
  for (std::size_t i = 0; i < inputs_.size(); ++i) BATON_TRY(enter_block(i));
  std::vector<Key> winners(2 * leaves_);
  for (std::size_t i = 0; i < leaves_; ++i) winners[leaves_ + i] = key_of(i);
  tree_.assign(leaves_, 0);
  for (std::size_t n = leaves_ - 1; n > 0; --n) {
    winners[n] = std::min(winners[2 * n], winners[2 * n + 1]);
    tree_[n] = std::max(winners[2 * n], winners[2 * n + 1]);
  }
  tree_[0] = leaves_ > 1 ? winners[1] : winners[leaves_];
  return {};
}

// Entries of one hash come from the oldest input first, whose offsets are all below those of the next: so comparing hash and
// input is comparing (hash, offset).
Result<bool> IndexMerge::step(std::uint64_t entries) {
  if (cursors_.empty()) BATON_TRY(prepare());
  const std::uint64_t until = std::min(info_.entries, done_ + entries);
  Key least = tree_[0];
  for (; done_ < until; ++done_) {
    const auto input = static_cast<std::uint32_t>(least);
    Cursor& cursor = cursors_[input];
    writer_->add(IndexEntry::load(cursor.next));
    cursor.next += IndexEntry::kBytes;
    if (cursor.next == cursor.block_end) [[unlikely]] {
      if (auto entered = enter_block(input); !entered) return entered.error();
    }
    least = key_of(input);
    for (std::size_t n = (leaves_ + input) / 2; n > 0; n /= 2) {
      const Key other = tree_[n];
      const bool swap = other < least;
      tree_[n] = swap ? least : other;
      least = swap ? other : least;
    }
  }
  tree_[0] = least;
  if (!writer_->status()) return writer_->status().error();
  if (done_ < info_.entries) return false;
  BATON_TRY_ASSIGN(info_, writer_->finish());
  writer_.reset();
  return true;
}

}  // namespace baton::store
