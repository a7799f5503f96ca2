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

IndexMerge::IndexMerge(os::FileSystem& fs, std::string directory, std::vector<std::shared_ptr<const IndexRun>> inputs, std::uint64_t number,
                       std::int64_t log_start)
    : fs_(fs),
      directory_(std::move(directory)),
      inputs_(std::move(inputs)),
      log_start_(log_start),
      info_{.number = number, .first = std::max(inputs_.front()->info().first, log_start), .end = inputs_.back()->info().end} {
  for (const auto& run : inputs_) read_max_ += run->info().entries;
  info_.entries = read_max_;
}

// A run's writer wants to know how many entries will come: those that are left out are counted first. Only inputs that the log's start
// lies in need be looked at. True when all have been.
Result<bool> IndexMerge::count(std::uint64_t entries) {
  for (; count_input_ < inputs_.size(); ++count_input_, count_block_ = 0) {
    const IndexRun& run = *inputs_[count_input_];
    if (run.info().first >= log_start_) continue;
    for (; count_block_ < run.layout().blocks; ++count_block_) {
      const std::size_t here = run.block_entries(count_block_);
      if (entries < here) return false;
      entries -= here;
      BATON_TRY_ASSIGN(const std::byte* const block, run.block(count_block_));
      for (std::size_t i = 0; i < here; ++i) info_.entries -= IndexEntry::load(block + i * IndexEntry::kBytes).offset() < log_start_ ? 1 : 0;
    }
  }
  return true;
}

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
  if (!writer_) {
    BATON_TRY_ASSIGN(const bool counted, count(std::max<std::uint64_t>(entries, RunLayout::kBlockEntries)));
    if (!counted) return false;
    if (info_.entries == 0) return true;
    BATON_TRY_ASSIGN(writer_, RunWriter::create(fs_, directory_, info_));
    BATON_TRY(prepare());
  }
  const std::uint64_t until = std::min(read_max_, done_ + entries);
  Key least = tree_[0];
  for (; done_ < until; ++done_) {
    const auto input = static_cast<std::uint32_t>(least);
    Cursor& cursor = cursors_[input];
    if (const IndexEntry entry = IndexEntry::load(cursor.next); entry.offset() >= log_start_) writer_->add(entry);
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
  if (done_ < read_max_) return false;
  BATON_TRY_ASSIGN(info_, writer_->finish(true));
  writer_.reset();
  return true;
}

}  // namespace baton::store
