// Durable appends: many writers, one writer, conditional appends.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>

#include "harness.h"
#include "peers.h"

namespace baton::bench {
namespace {

// The same with a thread a writer, each blocked until its append is durable.
Load run_threads(Store& store, const std::string& context, std::size_t writers, double seconds) {
  std::atomic<std::uint64_t> appends{0};
  const double start = now_s(), cpu = process_cpu_s();
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < writers; ++w)
    threads.emplace_back([&, w] {
      for (std::uint64_t n = 0; now_s() < start + seconds; ++n) {
        must(store.append(make_append(context, w, w * 1'000'000 + n, 1)), "append");
        ++appends;
      }
    });
  for (auto& t : threads) t.join();
  return {now_s() - start, appends, process_cpu_s() - cpu};
}

double raw_rate(RawLog& raw, std::size_t bytes, double seconds) {
  const double start = now_s();
  std::uint64_t n = 0;
  while (now_s() < start + seconds) {
    raw.append(bytes);
    ++n;
  }
  return static_cast<double>(n) / (now_s() - start);
}

std::unique_ptr<Store> open_bench_store(const std::string& path) { return must(Store::open(path), "open"); }

// Bytes that one event takes in the log (batch header included when appended alone).
double bytes_per_event(Store& store) {
  const auto info = must(store.info(), "info");
  return static_cast<double>(info.bytes) / static_cast<double>(std::max<std::int64_t>(info.events, 1));
}

// Rates of Baton and of the raw peer, alternating, so that a slow minute of the machine hits both.
void versus_raw(const char* name, std::size_t writers, double target) {
  const auto rounds = setting("BATON_BENCH_ROUNDS", 5);
  const auto seconds = static_cast<double>(setting("BATON_BENCH_SECONDS", 3));
  Scratch scratch(name);
  auto store = open_bench_store(scratch.file("store"));
  const std::uint64_t count = writers * static_cast<std::uint64_t>(setting("BATON_BENCH_APPENDS_PER_WRITER", 1500));
  run_async(*store, "orders", writers, count, 0);  // warm-up: journal and segments are through their first allocation
  const double event_bytes = bytes_per_event(*store);
  RawLog prewritten(scratch.file("raw"), 64u << 20);
  // The best batch size for `writers` writers: each has one event outstanding, so at most that many.
  std::size_t best = 1;
  double best_bandwidth = 0;
  for (std::size_t batch = 1; batch <= writers; batch *= 2) {
    const double bandwidth = raw_rate(prewritten, static_cast<std::size_t>(event_bytes * static_cast<double>(batch)), 0.5) * static_cast<double>(batch);
    if (bandwidth > best_bandwidth) best_bandwidth = bandwidth, best = batch;
  }
  std::vector<double> ratios, baton_rates, raw_rates, cpus;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    const double raw = raw_rate(prewritten, static_cast<std::size_t>(event_bytes * static_cast<double>(best)), seconds) * static_cast<double>(best);
    const auto load = run_async(*store, "orders", writers, count, (i + 1) * 10'000'000);
    const double rate = static_cast<double>(load.appends) / load.seconds;
    ratios.push_back(rate / raw);
    baton_rates.push_back(rate);
    raw_rates.push_back(raw);
    cpus.push_back(load.cpu_s / static_cast<double>(load.appends) * 1e6);
  }
  const auto threads = run_threads(*store, "orders", writers, seconds);
  RawLog growing(scratch.file("raw-growing"), 0);
  const double raw_growing = raw_rate(growing, static_cast<std::size_t>(event_bytes * static_cast<double>(best)), seconds) * static_cast<double>(best);
  char detail[400];
  std::snprintf(detail, sizeof detail,
                "baton %.0f events/s (%.1f us CPU an event), raw %.0f at batches of %zu x %.0f B, prewritten (growing: %.0f); a thread per writer: %.0f events/s",
                median(baton_rates), median(cpus), median(raw_rates), best, event_bytes, raw_growing,
                static_cast<double>(threads.appends) / threads.seconds);
  report({.name = name, .unit = "x", .measured = median(ratios), .target = target, .starred = true, .detail = detail});
}

void append64() { versus_raw("append64", 64, 0.7); }
void append1() { versus_raw("append1", 1, 0.8); }

// 64 writers, each append with the condition 'no event with my tag after position P'.
void conditional() {
  const auto seconds = static_cast<double>(setting("BATON_BENCH_SECONDS", 3)) * 2;
  constexpr std::size_t kWriters = 64;
  Scratch scratch("conditional");
  std::vector<double> ratios, batons, sqlites;
  for (int round = 0; round < 3; ++round) {
    double baton_rate = 0, sqlite_rate = 0;
    {
      auto store = open_bench_store(scratch.file("store" + std::to_string(round)));
      must(store->append(make_append("orders", 0, 0, 1)), "append");
      const auto after = must(store->context("orders"), "context").end;
      struct Shared {
        std::mutex m;
        std::condition_variable done;
        std::size_t running = kWriters;
        std::uint64_t appends = 0, next = 1;
        double end = 0;
      } shared;
      const double start = now_s();
      shared.end = start + seconds;
      std::vector<std::function<void(Result<Appended>)>> completions(kWriters);
      const auto make = [&](std::size_t w, std::uint64_t n) {
        auto append = make_append("orders", w, n, 1);
        append.streams[0].events[0].tags[0] = "unique:" + std::to_string(n);
        append.unless = Unless{.query = {{QueryItem{.types = {}, .tags = {append.streams[0].events[0].tags[0]}}}}, .after = after};
        return append;
      };
      for (std::size_t w = 0; w < kWriters; ++w)
        completions[w] = [&, w](Result<Appended> result) {
          must(std::move(result), "conditional append");
          ++shared.appends;
          if (now_s() >= shared.end) {
            const std::lock_guard lock(shared.m);
            if (--shared.running == 0) shared.done.notify_all();
            return;
          }
          store->append_async(make(w, kWriters + shared.next++), completions[w]);
        };
      for (std::size_t w = 0; w < kWriters; ++w) store->append_async(make(w, 1'000'000'000 + w), completions[w]);
      std::unique_lock lock(shared.m);
      shared.done.wait(lock, [&] { return shared.running == 0; });
      baton_rate = static_cast<double>(shared.appends) / (now_s() - start);
    }
    {
      // One group-committing writer in front of SQLite: 64 appends outstanding, so transactions of 64.
      SqlitePeer peer(scratch.file("sqlite" + std::to_string(round)));
      std::uint64_t n = 0;
      const double start = now_s();
      std::vector<PeerRow> rows(kWriters);
      while (now_s() < start + seconds) {
        for (std::size_t w = 0; w < kWriters; ++w, ++n) {
          auto event = make_event(n);
          event.id = "id-" + std::to_string(n);
          event.time = Time{static_cast<std::int64_t>(n)};
          event.tags[0] = "unique:" + std::to_string(n);
          rows[w] = {.stream = "order-" + std::to_string(w), .version = static_cast<std::int64_t>(n / kWriters), .event = std::move(event)};
        }
        peer.append_unless_tag(rows, 0);
      }
      sqlite_rate = static_cast<double>(n) / (now_s() - start);
    }
    ratios.push_back(baton_rate / sqlite_rate);
    batons.push_back(baton_rate);
    sqlites.push_back(sqlite_rate);
  }
  char detail[200];
  std::snprintf(detail, sizeof detail, "baton %.0f appends/s, sqlite %.0f appends/s in transactions of 64", median(batons), median(sqlites));
  report({.name = "conditional", .unit = "x", .measured = median(ratios), .target = 3, .detail = detail});
}

const Registered r1{{"append64", "store", &append64}};
const Registered r2{{"append1", "store", &append1}};
const Registered r3{{"conditional", "store", &conditional}};

}  // namespace
}  // namespace baton::bench
