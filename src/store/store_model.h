// A model of one partition for tests: the rules of docs/formats/event.md over a plain list, slow and obvious. And a source of random requests that
// meet each other: few streams, few ids, few tags.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <baton/store.h>

#include "os/sim_random.h"
#include "store/request.h"

namespace baton::store::testing {

// Which partition of which topic.
struct Place {
  std::string topic;               // a context, unless it is plain
  bool plain = false;
  std::int32_t partition = 0;
  std::int32_t partitions = 1;     // of the topic
  // Of a context: whether the stream lies here.
  [[nodiscard]] bool has(const std::string& stream) const;
};

// One request of a random history. Positions are offsets here, since a model has no tokens.
struct Operation {
  enum class Kind { append, delete_stream, truncate_stream, produce } kind = Kind::append;
  Append append;                     // `unless` without its position
  std::int64_t unless_after = -1;    // an offset, -1: the beginning
  std::int64_t before_version = 0;   // truncate_stream
  Produced produced;                 // produce: `append` has one event a stream; in a plain topic a record with that key and value
};

class Model {
 public:
  struct Entry {
    std::string stream, type, data, id, source, system;
    std::int64_t version = -1;
    std::int64_t truncated_before = 0;
    std::vector<std::string> tags;   // sorted, each once
    std::size_t batch = 0;           // entries of one append have the same
    bool gap = false;                // an offset that no record has: the event of a producer's batch that was known already
    [[nodiscard]] bool is_event() const { return !gap && system.empty(); }
  };
  // A batch with a producer id that was taken.
  struct Batch {
    Produced by;
    std::int32_t last_sequence = -1;
    std::int64_t base = 0;
    std::int64_t end = 0;            // behind its last offset
    std::int64_t append_ms = -1;     // as it was told; -1: it was not
  };
  struct Head {
    std::int64_t last_version = -1;
    std::int64_t visible_from = 0;
    bool deleted = false;
    [[nodiscard]] bool empty() const { return last_version < 0 || deleted; }
  };
  struct Answer {
    std::optional<Code> refused;
    std::vector<std::int64_t> offsets;    // per event, as given; not of a batch that is sent again
    std::vector<bool> duplicate;
    // Of a producer's batch.
    std::vector<std::size_t> blamed;      // when it is refused: the events of which one is named; none: none is
    std::int64_t base = -1;
    std::int64_t end = 0;                 // everything below is acknowledged with it
    bool again = false;                   // nothing was written
  };

  explicit Model(Place place) : place_(std::move(place)) {}

  // What the store must answer; what it accepts is taken in.
  Answer apply(const Operation& operation);
  // Forgets everything from `offset` on: a crash lost it.
  void cut(std::size_t offset);

  [[nodiscard]] const std::vector<Entry>& log() const { return log_; }
  [[nodiscard]] std::vector<Entry>& log() { return log_; }
  [[nodiscard]] bool is_boundary(std::size_t offset) const {
    return offset == 0 || offset == log_.size() || (offset < log_.size() && log_[offset - 1].batch != log_[offset].batch);
  }
  [[nodiscard]] std::set<std::int64_t> producers() const;
  // The batches of a producer that are still known, oldest first.
  [[nodiscard]] std::vector<Batch> batches_of(std::int64_t producer_id) const;
  // The one with this base offset; null: none has a producer id.
  [[nodiscard]] Batch* batch_at(std::int64_t base);
  // As of the entries below `end`.
  [[nodiscard]] Head head(const std::string& stream, std::size_t end) const;
  [[nodiscard]] Head head(const std::string& stream) const { return head(stream, log_.size()); }
  // Offsets of the events of a stream that may be seen, ascending.
  [[nodiscard]] std::vector<std::int64_t> stream(const std::string& stream, std::size_t end) const;
  [[nodiscard]] std::map<std::string, Head> heads() const;

 private:
  // Which events are known already: from the same request, or from the log.
  struct Identity {
    std::vector<std::int64_t> repeat;     // per event the one of the request that it repeats, or -1
    std::vector<std::int64_t> known;      // per event its offset in the log, or -1
    std::vector<std::size_t> mismatched;  // not empty: refused, and one of these is named
    std::size_t fresh = 0;
  };
  [[nodiscard]] Identity identify(const std::vector<Entry>& entries) const;
  [[nodiscard]] Answer append(const Operation& operation);
  [[nodiscard]] Answer produce(const Operation& operation);
  [[nodiscard]] Answer take(const Produced& by, std::vector<Entry> entries);
  [[nodiscard]] std::optional<Answer> judge_producer(const Operation& operation) const;
  [[nodiscard]] Answer append_system(const Operation& operation);
  [[nodiscard]] static bool holds(const Expect& expect, const Head& head);
  [[nodiscard]] bool matches(const Query& query, const Entry& entry) const;
  [[nodiscard]] Entry make_entry(const std::string& stream, const NewEvent& event) const;

  Place place_;
  std::vector<Entry> log_;
  std::vector<Batch> produced_;  // in the order of the log
  std::size_t batches_ = 0;
};

// Random operations on one partition. A few belong to another one.
class RandomOperations {
 public:
  RandomOperations(os::SeededRandom& random, Place place) : random_(random), place_(std::move(place)) {}
  // `settled`: the model knows of everything that was made before. `there`: the topic is, and can be produced to.
  Operation next(const Model& model, bool settled, bool there);
  // A batch of a producer with so many new events, as if by that producer.
  Operation batch(const Produced& by, std::size_t events);

 private:
  // What a producer would send next, as far as it knows.
  struct Producer {
    std::int16_t epoch = 0;
    std::int32_t next = 0;
    std::vector<Operation> sent;  // the last ones
  };
  Operation produce(const Model& model, bool settled);
  Operation produce_again(Producer& producer);
  void number(Producer& producer, Operation& operation);
  void fill(const Model& model, Operation& operation);
  NewEvent event();
  Expect expect(const Model::Head& head);
  std::string stream();
  std::string tag() { return "t:" + std::to_string(random_.below(5)); }
  std::string type() { return std::string(1, static_cast<char>('A' + random_.below(3))); }

  os::SeededRandom& random_;
  Place place_;
  std::map<std::int64_t, Producer> producers_;
};

}  // namespace baton::store::testing
