// Where a simulation's chance comes from: a seeded generator, decisions that can also be enumerated instead of drawn, and the
// running hash that tells whether two runs went the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/bytes.h"

namespace baton::os {

// SplitMix64: small, fast, and the same everywhere.
class SeededRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  // 0 to count - 1; 0 when count is 0.
  std::uint64_t below(std::uint64_t count) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * count) >> 64);
  }
  bool chance(std::uint32_t per_mille) { return below(1000) < per_mille; }
  void fill(base::MutableByteView out) {
    for (std::size_t i = 0; i < out.size(); i += 8) {
      std::byte word[8];
      base::store_le<std::uint64_t>(word, next());
      std::memcpy(out.data() + i, word, std::min<std::size_t>(8, out.size() - i));
    }
  }

 private:
  std::uint64_t state_;
};

// The decisions of a crash or a fault: which of `count` outcomes happens.
class Choices {
 public:
  virtual ~Choices() = default;
  virtual std::uint64_t pick(std::uint64_t count) = 0;  // 0 to count - 1
};

class SeededChoices final : public Choices {
 public:
  explicit SeededChoices(std::uint64_t seed) : random_(seed) {}
  std::uint64_t pick(std::uint64_t count) override { return random_.below(count); }

 private:
  SeededRandom random_;
};

// Goes through every combination of outcomes, one combination a run:
//
//   ExhaustiveChoices choices;
//   do { run the same workload, deciding with `choices` } while (choices.next());
class ExhaustiveChoices final : public Choices {
 public:
  std::uint64_t pick(std::uint64_t count) override {
    if (at_ == taken_.size()) taken_.push_back({0, count});
    return taken_[at_++].choice;
  }
  // Moves to the next combination; false when all have been.
  bool next() {
    taken_.resize(at_);
    while (!taken_.empty() && taken_.back().choice + 1 >= taken_.back().count) taken_.pop_back();
    at_ = 0;
    if (taken_.empty()) return false;
    ++taken_.back().choice;
    return true;
  }
  [[nodiscard]] std::size_t depth() const { return at_; }

 private:
  struct Decision {
    std::uint64_t choice;
    std::uint64_t count;
  };
  std::vector<Decision> taken_;
  std::size_t at_ = 0;
};

// A hash over everything that happened, in order. Two runs of one seed must end with the same value.
class Trace {
 public:
  void note(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9FB21C651E98DF25U;
    hash_ ^= hash_ >> 32;
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  std::uint64_t hash_ = 0x243F6A8885A308D3U;
};

}  // namespace baton::os
