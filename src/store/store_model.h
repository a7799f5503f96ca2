// A model of the store for tests: the rules of docs/formats/event.md over a plain list, slow and obvious. And a source of random requests that
// meet each other: few streams, few ids, few tags.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <baton/store.h>

#include "os/sim_random.h"

namespace baton::store::testing {

// One request of a random history. Positions are offsets here, since a model has no tokens.
struct Operation {
  enum class Kind { append, delete_stream, truncate_stream } kind = Kind::append;
  Append append;                     // `unless` without its position
  std::int64_t unless_after = -1;    // an offset, -1: the beginning
  std::int64_t before_version = 0;   // truncate_stream
};

class Model {
 public:
  struct Entry {
    std::string stream, type, data, id, source, system;
    std::int64_t version = -1;
    std::int64_t truncated_before = 0;
    std::vector<std::string> tags;   // sorted, each once
    std::size_t batch = 0;           // entries of one append have the same
  };
  struct Head {
    std::int64_t last_version = -1;
    std::int64_t visible_from = 0;
    bool deleted = false;
    [[nodiscard]] bool empty() const { return last_version < 0 || deleted; }
  };
  struct Answer {
    std::optional<Code> refused;
    std::vector<std::int64_t> offsets;    // per event, as given
    std::vector<bool> duplicate;
  };

  explicit Model(std::string context) : context_(std::move(context)) {}

  // What the store must answer; what it accepts is taken in.
  Answer apply(const Operation& operation);
  // Forgets everything from `offset` on: a crash lost it.
  void cut(std::size_t offset);

  [[nodiscard]] const std::vector<Entry>& log() const { return log_; }
  [[nodiscard]] std::vector<Entry>& log() { return log_; }
  [[nodiscard]] bool is_boundary(std::size_t offset) const {
    return offset == 0 || offset == log_.size() || (offset < log_.size() && log_[offset - 1].batch != log_[offset].batch);
  }
  // As of the entries below `end`.
  [[nodiscard]] Head head(const std::string& stream, std::size_t end) const;
  [[nodiscard]] Head head(const std::string& stream) const { return head(stream, log_.size()); }
  // Offsets of the events of a stream that may be seen, ascending.
  [[nodiscard]] std::vector<std::int64_t> stream(const std::string& stream, std::size_t end) const;
  [[nodiscard]] std::map<std::string, Head> heads() const;

 private:
  [[nodiscard]] Answer append(const Operation& operation);
  [[nodiscard]] Answer append_system(const Operation& operation);
  [[nodiscard]] static bool holds(const Expect& expect, const Head& head);
  [[nodiscard]] bool matches(const Query& query, const Entry& entry) const;
  [[nodiscard]] Entry make_entry(const std::string& stream, const NewEvent& event) const;

  std::string context_;
  std::vector<Entry> log_;
  std::size_t batches_ = 0;
};

// Random operations on one context.
class RandomOperations {
 public:
  RandomOperations(os::SeededRandom& random, std::string context) : random_(random), context_(std::move(context)) {}
  Operation next(const Model& model);

 private:
  NewEvent event();
  Expect expect(const Model::Head& head);
  std::string stream();
  std::string tag() { return "t:" + std::to_string(random_.below(5)); }
  std::string type() { return std::string(1, static_cast<char>('A' + random_.below(3))); }

  os::SeededRandom& random_;
  std::string context_;
};

}  // namespace baton::store::testing
