// History: what a context must hold, told without any of the shipped code but the hash that picks a partition. The oracle of the
// whole-stack simulation: it decides each append again, by the rules of docs/formats/event.md, and says what every read must show.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <baton/store.h>

namespace baton::simulation {

// One record.
struct Fact {
  std::string stream, type, id, data, system, tenant;
  std::vector<std::string> tags;
  std::int64_t version = -1;       // -1: a system record
  std::int64_t truncated_before = 0;
  bool own_id = true;              // false: the store made the id, which is learnt from the answer or the first read
  bool ends_append = false;        // the last one of its append
  std::int64_t time_ns = -1;       // ce_time as given; -1: the append time
  std::int64_t recorded_ms = -1;   // learnt from the first read
  std::int64_t answered_ns = -1;   // by the world's clock
  std::string position;            // learnt from the answer or the first read; it never changes
};

// Something that was asked of the store and may change it.
struct Attempt {
  enum class Kind { append, remove, truncate } kind = Kind::append;
  std::size_t context = 0;
  Append request;                  // the others: one stream with its condition
  std::int64_t before_version = 0;
  std::int64_t unless_after = -1;  // the offset that request.unless->after names; -1: the beginning
  bool answered = false;
};

class History {
 public:
  History(std::string context, std::int32_t partitions);

  struct Stream {
    std::int64_t last_version = -1;
    std::int64_t visible_from = 0;
    bool deleted = false;
    std::vector<std::int64_t> offsets;  // of its events, ascending
    [[nodiscard]] bool empty() const { return last_version < 0 || deleted; }
  };
  struct Partition {
    std::int64_t start = 0;   // what is below was removed
    std::vector<Fact> facts;  // by offset, those that were removed too
    [[nodiscard]] std::int64_t end() const { return static_cast<std::int64_t>(facts.size()); }
  };
  struct Told {
    std::int64_t version = -1;
    std::int64_t offset = -1;
    bool duplicate = false;
  };
  struct Decision {
    std::optional<Code> refused;
    std::size_t partition = 0;
    std::vector<Fact> adds;
    std::vector<Told> told;  // one an event, in the order given
  };

  [[nodiscard]] const std::string& context() const { return context_; }
  [[nodiscard]] std::size_t partition_of(const std::string& stream) const;
  [[nodiscard]] std::vector<Partition>& partitions() { return partitions_; }
  [[nodiscard]] const std::vector<Partition>& partitions() const { return partitions_; }
  [[nodiscard]] const std::map<std::string, Stream>& streams() const { return streams_; }
  [[nodiscard]] Stream stream(const std::string& name) const;

  // What the store must answer now.
  [[nodiscard]] Decision decide(const Attempt& attempt) const;
  void add(std::size_t partition, std::vector<Fact> facts);
  // Forgets what lies at `end` and behind it.
  void cut(std::size_t partition, std::int64_t end);

  // What a read of a context of one partition shows: offsets, ascending.
  [[nodiscard]] std::vector<std::int64_t> select(std::int64_t after, const Filter& filter, const AsOf& as_of,
                                                 std::int64_t as_of_offset) const;
  // What a read of a stream shows now: its events' offsets, ascending.
  [[nodiscard]] std::vector<std::int64_t> visible(const std::string& stream) const;

  bool created = false;  // durably, as far as is known

 private:
  void take(std::size_t partition, std::int64_t offset);
  [[nodiscard]] Decision decide_append(const Attempt& attempt) const;
  [[nodiscard]] Decision decide_system(const Attempt& attempt) const;
  [[nodiscard]] bool matches(const Query& query, const Fact& fact) const;

  std::string context_;
  std::vector<Partition> partitions_;
  std::map<std::string, Stream> streams_;
  std::map<std::pair<std::string, std::string>, std::int64_t> ids_;  // (stream, id) -> the newest offset
};

// How an event that was read differs from what it must be; empty when it does not. Learns what only the store knows.
[[nodiscard]] std::string difference(Fact& fact, std::int64_t offset, const Event& event);

}  // namespace baton::simulation
