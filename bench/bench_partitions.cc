// 1,000 partitions with 1,000 writers against one partition with 1,000 writers against raw writes of its bytes.
#include <cstdio>

#include "harness.h"
#include "peers.h"

namespace baton::bench {
namespace {

constexpr std::size_t kWriters = 1000;

constexpr std::uint64_t kChunk = 200'000;  // appends that are made before they are timed

struct Rate {
  double events_per_s = 0;
  double cpu_us = 0;
};

// Appends of one event by 1,000 asynchronous writers, each to a stream of its own, for so many seconds on the clock.
Rate rate(Store& store, const std::string& context, double seconds) {
  Load sum;
  for (std::uint64_t n = 0; sum.seconds < seconds; n += kChunk) {
    const Load load = run_async(store, context, kWriters, kChunk, n);
    sum.seconds += load.seconds;
    sum.appends += load.appends;
    sum.cpu_s += load.cpu_s;
  }
  const auto appends = static_cast<double>(sum.appends);
  return {appends / sum.seconds, sum.cpu_s / appends * 1e6};
}

void partitions1000() {
  const auto seconds = static_cast<double>(setting("BATON_BENCH_PARTITION_SECONDS", 60));
  Scratch scratch("partitions1000");
  Rate many, one;
  double event_bytes = 0;
  {
    auto store = must(Store::open(scratch.file("one")), "open");
    must(store->create_context("one", {}), "create");
    one = rate(*store, "one", seconds);
    const auto info = must(store->info(), "info");
    event_bytes = static_cast<double>(info.bytes) / static_cast<double>(info.events);
  }
  {
    auto store = must(Store::open(scratch.file("many")), "open");
    must(store->create_context("many", {.partitions = 1000}), "create");
    many = rate(*store, "many", seconds);
  }
  RawLog raw(scratch.file("raw"), 64u << 20);
  const double start = now_s();
  std::uint64_t n = 0;
  const auto bytes = static_cast<std::size_t>(event_bytes * kWriters);
  for (; now_s() < start + seconds / 3; ++n) raw.append(bytes);
  const double raw_rate = static_cast<double>(n * kWriters) / (now_s() - start);
  char detail[200];
  std::snprintf(detail, sizeof detail, "1,000 partitions %.0f events/s (%.1f us CPU an event), 1 partition %.0f events/s (%.1f us), raw %.0f events/s of %.0f B, prewritten",
                many.events_per_s, many.cpu_us, one.events_per_s, one.cpu_us, raw_rate, event_bytes);
  report({.name = "1,000 partitions vs one", .unit = "x", .measured = many.events_per_s / one.events_per_s, .target = 0.5, .starred = true, .detail = detail});
  report({.name = "one partition, 1,000 writers, vs raw", .unit = "x", .measured = one.events_per_s / raw_rate, .target = 0.7, .starred = true, .detail = detail});
}

const Registered r{{"partitions1000", "store", &partitions1000}};

}  // namespace
}  // namespace baton::bench
