// 1,000 partitions with 1,000 writers against one partition with 1,000 writers against raw writes of its bytes.
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "harness.h"
#include "peers.h"

namespace baton::bench {
namespace {

constexpr std::size_t kWriters = 1000;

// Appends of one event by 1,000 asynchronous writers, each to a stream of its own.
double rate(Store& store, const std::string& context, double seconds) {
  struct Shared {
    std::mutex m;
    std::condition_variable done;
    std::size_t running = kWriters;
    std::uint64_t appends = 0, next = 0;
    double end = 0;
  } shared;
  const double start = now_s();
  shared.end = start + seconds;
  std::vector<std::function<void(Result<Appended>)>> completions(kWriters);
  for (std::size_t w = 0; w < kWriters; ++w)
    completions[w] = [&, w](Result<Appended> result) {
      must(std::move(result), "append");
      ++shared.appends;
      if (now_s() >= shared.end) {
        const std::lock_guard lock(shared.m);
        if (--shared.running == 0) shared.done.notify_all();
        return;
      }
      store.append_async(make_append(context, w, shared.next++, 1), completions[w]);
    };
  for (std::size_t w = 0; w < kWriters; ++w) store.append_async(make_append(context, w, 1'000'000'000 + w, 1), completions[w]);
  std::unique_lock lock(shared.m);
  shared.done.wait(lock, [&] { return shared.running == 0; });
  return static_cast<double>(shared.appends) / (now_s() - start);
}

void partitions1000() {
  const auto seconds = static_cast<double>(setting("BATON_BENCH_PARTITION_SECONDS", 60));
  Scratch scratch("partitions1000");
  double many = 0, one = 0, event_bytes = 0;
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
  std::snprintf(detail, sizeof detail, "1,000 partitions %.0f events/s, 1 partition %.0f events/s, raw %.0f events/s of %.0f B", many, one, raw_rate, event_bytes);
  report({.name = "1,000 partitions vs one", .unit = "x", .measured = many / one, .target = 0.5, .starred = true, .detail = detail});
  report({.name = "one partition, 1,000 writers, vs raw", .unit = "x", .measured = one / raw_rate, .target = 0.7, .starred = true, .detail = detail});
}

const Registered r{{"partitions1000", "store", &partitions1000}};

}  // namespace
}  // namespace baton::bench
