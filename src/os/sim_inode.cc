#include "os/sim_inode.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"

namespace baton::os {
namespace {

constexpr std::uint64_t kNoFloor = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kMaxSizeChanges = 16;

std::uint64_t whole_sectors(std::uint64_t bytes) { return (bytes + kSectorSize - 1) / kSectorSize * kSectorSize; }

enum Fate : std::uint64_t { kLost, kKept, kTorn, kZeroed, kGarbage };

std::uint64_t pick_fate(Choices& choices, const SectorFates& fates) {
  const std::uint32_t weights[] = {fates.lost, fates.kept, fates.torn, fates.zeroed, fates.garbage};
  std::uint64_t total = 0;
  for (const auto weight : weights) total += weight;
  std::uint64_t at = choices.pick(total);
  for (std::uint64_t fate = 0; fate < std::size(weights); ++fate) {
    if (at < weights[fate]) return fate;
    at -= weights[fate];
  }
  return kLost;
}

}  // namespace

SharedRegion::SharedRegion() {
  void* memory = ::mmap(nullptr, kMaxBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  BATON_CHECK(memory != MAP_FAILED, "no address space for a simulated shared mapping");
  data_ = static_cast<std::byte*>(memory);
}

SharedRegion::~SharedRegion() { ::munmap(data_, kMaxBytes); }

template <typename F>
void SimInode::each_dirty(F&& visit) const {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    for (std::uint64_t word = dirty_[i]; word != 0; word &= word - 1) {
      visit(i * 64 + static_cast<std::uint64_t>(std::countr_zero(word)));
    }
  }
}

std::size_t SimInode::dirty_sectors() {
  pull_shared(false);
  std::size_t count = 0;
  for (const auto word : dirty_) count += static_cast<std::size_t>(std::popcount(word));
  return count;
}

std::size_t SimInode::read(std::uint64_t offset, base::MutableByteView out) {
  pull_shared(false);
  if (offset >= size_ || out.empty()) return 0;
  const std::size_t count = std::min<std::uint64_t>(out.size(), size_ - offset);
  std::size_t held = 0;  // the part that the image holds; the rest is zeros
  if (offset < cached_.size()) {
    held = std::min<std::uint64_t>(count, cached_.size() - offset);
    std::memcpy(out.data(), cached_.data() + offset, held);
  }
  if (count > held) std::memset(out.data() + held, 0, count - held);
  return count;
}

void SimInode::mark_dirty(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t last = (offset + length - 1) / kSectorSize;
  if (dirty_.size() <= last / 64) dirty_.resize(last / 64 + 1);
  for (std::uint64_t sector = offset / kSectorSize; sector <= last; ++sector) {
    dirty_[sector / 64] |= std::uint64_t{1} << (sector % 64);
  }
  diverged_ = true;
}

void SimInode::note_size() {
  const std::uint64_t before = size_changes_.empty() ? kNoFloor : size_changes_.back().floor;
  // A growing file has as many sizes as writes: the middle ones stand for one another.
  if (size_changes_.size() == kMaxSizeChanges) size_changes_.pop_back();
  size_changes_.push_back({size_, std::min(before, size_)});
  diverged_ = true;
}

void SimInode::write(std::uint64_t offset, base::ByteView data) {
  if (data.empty()) return;
  const std::uint64_t end = offset + data.size();
  if (cached_.size() < end) cached_.resize(whole_sectors(end));
  std::memcpy(cached_.data() + offset, data.data(), data.size());
  mark_dirty(offset, data.size());
  if (end > size_) {
    size_ = end;
    note_size();
  }
  if (region_ != nullptr && offset < region_->end) {
    std::memcpy(region_->data() + offset, data.data(), std::min<std::uint64_t>(data.size(), region_->end - offset));
  }
}

void SimInode::set_size(std::uint64_t size) {
  pull_shared(false);
  if (size == size_) return;
  if (size < size_ && size < cached_.size()) {
    cached_.resize(whole_sectors(size));
    std::fill(cached_.begin() + static_cast<std::ptrdiff_t>(size), cached_.end(), std::byte{0});
    dirty_.resize(std::min(dirty_.size(), (cached_.size() / kSectorSize + 63) / 64));
    const std::uint64_t sectors = cached_.size() / kSectorSize;
    if (sectors % 64 != 0 && dirty_.size() == sectors / 64 + 1) dirty_.back() &= (std::uint64_t{1} << (sectors % 64)) - 1;
  }
  if (region_ != nullptr && size < region_->end) std::memset(region_->data() + size, 0, region_->end - size);
  size_ = size;
  note_size();
}

std::shared_ptr<SharedRegion> SimInode::share(std::uint64_t end) {
  BATON_CHECK(end <= SharedRegion::kMaxBytes, "a simulated shared mapping reaches at most 64 MiB");
  if (region_ == nullptr) region_ = std::make_shared<SharedRegion>();
  if (end > region_->end) {
    const std::uint64_t held = std::min<std::uint64_t>(end, cached_.size());
    if (held > region_->end) {
      std::memcpy(region_->data() + region_->end, cached_.data() + region_->end, held - region_->end);
    }
    region_->end = end;
  }
  return region_;
}

void SimInode::pull_shared(bool release) {
  if (region_ == nullptr) return;
  const std::uint64_t end = std::min(region_->end, size_);
  for (std::uint64_t at = 0; at < end; at += kSectorSize) {
    const std::uint64_t count = std::min(kSectorSize, end - at);
    static constexpr std::byte kZeros[kSectorSize]{};
    const std::byte* const old = at < cached_.size() ? cached_.data() + at : kZeros;
    if (std::memcmp(old, region_->data() + at, count) == 0) continue;
    if (cached_.size() < at + kSectorSize) cached_.resize(at + kSectorSize);
    std::memcpy(cached_.data() + at, region_->data() + at, count);
    mark_dirty(at, count);
  }
  if (release) region_ = nullptr;
}

// Takes away what the durable image holds beyond `floor`: blocks that a truncation freed.
void SimInode::cut_durable(std::uint64_t floor) {
  if (floor >= durable_.size()) return;
  durable_.resize(whole_sectors(floor));
  std::fill(durable_.begin() + static_cast<std::ptrdiff_t>(floor), durable_.end(), std::byte{0});
}

void SimInode::promote(std::uint64_t sector) {
  const std::uint64_t at = sector * kSectorSize;
  if (durable_.size() < at + kSectorSize) durable_.resize(at + kSectorSize);
  std::memcpy(durable_.data() + at, cached_.data() + at, kSectorSize);
}

void SimInode::forget_pending() {
  std::ranges::fill(dirty_, std::uint64_t{0});
  size_changes_.clear();
}

void SimInode::sync() {
  pull_shared(false);
  if (!size_changes_.empty()) {
    cut_durable(size_changes_.back().floor);
    durable_size_ = size_;
  }
  each_dirty([this](std::uint64_t sector) { promote(sector); });
  forget_pending();
  diverged_ = forgotten_;
}

void SimInode::fail_sync(Choices& choices) {
  pull_shared(false);
  bool dirty = !size_changes_.empty();
  each_dirty([&](std::uint64_t) { dirty = true; });
  if (dirty) {
    ++losses_;
    told_ = false;
  }
  if (!size_changes_.empty() && choices.pick(2) == 0) {
    cut_durable(size_changes_.back().floor);
    durable_size_ = size_;
  }
  each_dirty([&](std::uint64_t sector) {
    if (choices.pick(2) == 0) promote(sector);
  });
  forget_pending();
  forgotten_ = true;
}

void SimInode::apply_fate(std::uint64_t sector, std::uint64_t fate, Choices& choices, bool powersafe_overwrite) {
  if (fate == kLost) return;
  const std::uint64_t at = sector * kSectorSize;
  if (durable_.size() < at + kSectorSize) durable_.resize(at + kSectorSize);
  std::byte* const old = durable_.data() + at;
  const std::byte* const written = cached_.data() + at;
  std::size_t first = 0;
  std::size_t last = kSectorSize;
  if (powersafe_overwrite) {
    while (first < last && old[first] == written[first]) ++first;
    while (last > first && old[last - 1] == written[last - 1]) --last;
  }
  if (first == last) return;
  switch (fate) {
    case kTorn: {
      const std::size_t cut = first + choices.pick(last - first);
      if (choices.pick(2) == 0) {
        last = cut;
      } else {
        first = cut;
      }
      [[fallthrough]];
    }
    case kKept: std::memcpy(old + first, written + first, last - first); break;
    default: {
      SeededRandom garbage(fate == kGarbage ? choices.pick(kNoFloor) : 0);
      for (std::size_t i = first; i < last; ++i) {
        if (powersafe_overwrite && old[i] == written[i]) continue;
        old[i] = fate == kGarbage ? static_cast<std::byte>(garbage.next()) : std::byte{0};
      }
    }
  }
}

void SimInode::lose_power(Choices& choices, const CrashOptions& options) {
  pull_shared(true);
  locks.clear();
  told_ = true;  // a machine that starts knows nothing of it
  if (!diverged_) return;
  std::uint64_t dirty = 0;
  each_dirty([&](std::uint64_t) { ++dirty; });

  enum Style : std::uint64_t { kIndependent, kAllLost, kAllKept, kPrefix, kAllButOne };
  std::uint64_t style = kIndependent;
  if (options.styles && (dirty > 0 || !size_changes_.empty())) {
    const std::uint64_t drawn = choices.pick(8);
    style = drawn >= 4 ? static_cast<std::uint64_t>(kIndependent) : drawn + 1;
  }
  const std::uint64_t special = style == kPrefix || style == kAllButOne ? choices.pick(dirty) : 0;

  if (!size_changes_.empty() && style != kAllLost) {
    const std::uint64_t kept = style == kAllKept ? size_changes_.size() : choices.pick(size_changes_.size() + 1);
    if (kept > 0) {
      cut_durable(size_changes_[kept - 1].floor);
      durable_size_ = size_changes_[kept - 1].size;
    }
  }
  std::uint64_t index = 0;
  each_dirty([&](std::uint64_t sector) {
    const std::uint64_t i = index++;
    if (sector * kSectorSize >= durable_size_) return;
    std::uint64_t fate = kKept;
    switch (style) {
      case kAllLost: fate = kLost; break;
      case kAllKept: break;
      case kPrefix:
        if (i > special) fate = kLost;
        if (i == special) fate = pick_fate(choices, options.fates);
        break;
      case kAllButOne:
        if (i == special) fate = pick_fate(choices, options.fates);
        break;
      default: fate = pick_fate(choices, options.fates);
    }
    apply_fate(sector, fate, choices, options.powersafe_overwrite);
  });
  cut_durable(durable_size_);
  cached_ = durable_;
  size_ = durable_size_;
  forget_pending();
  dirty_.assign((cached_.size() / kSectorSize + 63) / 64, 0);
  diverged_ = forgotten_ = false;
}

void SimInode::flip_bit(std::uint64_t offset, unsigned bit) {
  BATON_CHECK(offset < durable_size_, "a bit flip must lie within what the disk holds");
  const auto mask = static_cast<std::byte>(1U << (bit % 8));
  for (base::Bytes* image : {&cached_, &durable_}) {
    if (image->size() <= offset) image->resize(whole_sectors(offset + 1));
    (*image)[offset] ^= mask;
  }
  if (region_ != nullptr && offset < region_->end) region_->data()[offset] ^= mask;
}

}  // namespace baton::os
