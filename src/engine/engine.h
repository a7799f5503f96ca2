// engine/: the port that views, apps and streams run on. An adapter stands behind it: embedded (engine/embedded.h, over store/) today, a
// Kafka cluster later. Each adapter publishes what it can do, and an application that needs what is absent is refused at start, by name.
//
// Threads: any. Types are the public ones of include/baton.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>
#include <baton/store.h>

namespace baton::engine {

enum class Support { exact, emulated, absent };

struct Capabilities {
  Support stream_condition = Support::absent;
  Support query_condition = Support::absent;
  Support idempotent_append = Support::absent;
  Support read_by_tag = Support::absent;
  Support as_of = Support::absent;
};

class Engine {
 public:
  virtual ~Engine() = default;
  [[nodiscard]] virtual Capabilities capabilities() const = 0;
  [[nodiscard]] virtual Result<ContextInfo> context(const std::string& name) = 0;
  [[nodiscard]] virtual Result<Appended> append(Append request) = 0;
  virtual void append_async(Append request, AppendDone done) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) = 0;
  // In order, on the calling thread, without copies; visit returns false to stop. Returns the position of the last event passed, and how many a
  // retention had removed before they were come to.
  [[nodiscard]] virtual Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) = 0;
  // Where a position stands among the events of its context: how many offsets lie at or before it. For progress. position_lost when it is not
  // of this log.
  [[nodiscard]] virtual Result<std::int64_t> rank(const std::string& context, const Position& position) = 0;
  // How far a position has come: per partition the offset behind the last event at or before it. position_lost.
  [[nodiscard]] virtual Result<std::vector<std::int64_t>> next_offsets(const std::string& context, const Position& position) = 0;
  // Where what is left of the log begins: what a retention has removed lies at or before it. The beginning when nothing was removed.
  [[nodiscard]] virtual Result<Position> start_of(const std::string& context) = 0;
  // The last event at or before an append time, and the end (the last visible event) when `recorded` is empty.
  [[nodiscard]] virtual Result<Position> position_at(const std::string& context, std::optional<Time> recorded) = 0;
};

}  // namespace baton::engine
