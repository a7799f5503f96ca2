// Scan, load of one aggregate, restart, appends during a replay, memory: on one store of 10 million events in 1 million streams.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "harness.h"

namespace baton::bench {
namespace {

// Fills a store with `events` events in `streams` streams and an aggregate of 1,000 events among them.
void fill(const std::string& path, std::uint64_t events, std::uint64_t streams) {
  auto store = must(Store::open(path), "open");
  std::uint64_t n = 0, aggregate = 0;
  while (n < events) {
    Append append;
    append.context = "orders";
    for (int i = 0; i < 100; ++i, ++n)
      append.streams.push_back({.stream = "order-" + std::to_string(n * 7919 % streams), .condition = {}, .events = {make_event(n)}});
    if (aggregate < 1000 && n % std::max<std::uint64_t>(events / 1000 / 2, 100) == 0) {
      append.streams.push_back({.stream = "aggregate-1", .condition = {}, .events = {make_event(n)}});
      ++aggregate;
    }
    must(store->append(std::move(append)), "append");
  }
  for (; aggregate < 1000; ++aggregate) {
    auto append = make_append("orders", aggregate % streams, n++, 100);
    append.streams.push_back({.stream = "aggregate-1", .condition = {}, .events = {make_event(n)}});
    must(store->append(std::move(append)), "append");
  }
  must(store->close(), "close");
}

std::string shared_store() {
  static const auto scratch = std::make_unique<Scratch>("read");
  static const bool filled = [] {
    fill(scratch->file("store"), setting("BATON_BENCH_EVENTS", 10'000'000), setting("BATON_BENCH_STREAMS", 1'000'000));
    return true;
  }();
  (void)filled;
  return scratch->file("store");
}

// Bytes a second of copying all segment files out of the page cache, 256 KiB at a time.
double copy_rate(const std::string& path) {
  std::vector<char> buffer(256u << 10);
  std::uint64_t bytes = 0;
  const double start = now_s();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.path().extension() != ".log") continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    for (ssize_t got; (got = ::read(fd, buffer.data(), buffer.size())) > 0;) bytes += static_cast<std::uint64_t>(got);
    ::close(fd);
  }
  return static_cast<double>(bytes) / (now_s() - start);
}

void scan() {
  const auto path = shared_store();
  auto store = must(Store::open(path), "open");
  std::vector<double> ratios, rates;
  const auto bytes = static_cast<double>(must(store->info(), "info").bytes);
  copy_rate(path);
  double copy = 0;
  for (int i = 0; i < 3; ++i) {
    copy = copy_rate(path);
    std::uint64_t events = 0, sum = 0;
    const double start = now_s();
    must(store->scan({.context = "orders", .limit = SIZE_MAX}, [&](const EventView& e) {
      ++events;
      sum += e.data.size() + static_cast<std::uint64_t>(e.version);
      return true;
    }), "scan");
    const double taken = now_s() - start;
    if (sum == 0) std::abort();
    rates.push_back(static_cast<double>(events) / taken);
    ratios.push_back(bytes / taken / copy);
  }
  char detail[200];
  std::snprintf(detail, sizeof detail, "%.2f million events/s, %.2f GB/s; copying from the page cache %.2f GB/s", median(rates) / 1e6,
                median(ratios) * copy / 1e9, copy / 1e9);
  report({.name = "scan vs copy", .unit = "x", .measured = median(ratios), .target = 0.15, .detail = detail});
  report({.name = "scan", .unit = "M/s", .measured = median(rates) / 1e6, .target = 3, .detail = detail});
}

void load() {
  auto store = must(Store::open(shared_store()), "open");
  std::vector<double> plain, with_snapshot;
  Loaded loaded;
  for (std::uint64_t i = 0; i < setting("BATON_BENCH_LOADS", 51); ++i) {
    const double start = now_s();
    loaded = must(store->load("orders", "aggregate-1", {.shape = 1, .snapshot_every = 0}), "load");
    plain.push_back((now_s() - start) * 1e3);
  }
  const auto count = loaded.events.size();
  must(store->save_snapshot("orders", "aggregate-1", {.version = loaded.version - 5, .shape = 1, .bytes = std::string(500, 's')}), "snapshot");
  for (std::uint64_t i = 0; i < setting("BATON_BENCH_LOADS", 51); ++i) {
    const double start = now_s();
    loaded = must(store->load("orders", "aggregate-1", {.shape = 1, .snapshot_every = 0}), "load");
    with_snapshot.push_back((now_s() - start) * 1e3);
  }
  char detail[200];
  std::snprintf(detail, sizeof detail, "%zu events; with a snapshot 5 events back %.3f ms (%zu events read)", count, median(with_snapshot), loaded.events.size());
  report({.name = "load 1,000 events", .unit = "ms", .measured = median(plain), .target = 1, .lower_is_better = true, .detail = detail});
}

void restart() {
  const auto path = shared_store();
  std::vector<double> clean;
  for (int i = 0; i < 5; ++i) {
    const double start = now_s();
    auto store = must(Store::open(path), "open");
    must(store->append(make_append("orders", 1, 5'000'000'000 + static_cast<std::uint64_t>(i), 1)), "append");
    clean.push_back((now_s() - start) * 1e3);
    must(store->close(), "close");
  }
  // A crash: a child appends and is killed.
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = must(Store::open(path), "open");
    for (std::uint64_t b = 0;; ++b) {
      must(store->append(make_append("orders", b, 6'000'000'000 + b * 100, 100)), "append");
      if (b == 2000) ::kill(::getpid(), SIGKILL);
    }
  }
  ::waitpid(child, nullptr, 0);
  const double start = now_s();
  auto store = must(Store::open(path), "open");
  must(store->append(make_append("orders", 1, 7'000'000'000, 1)), "append");
  const double crash = (now_s() - start) * 1e3;
  char detail[160];
  std::snprintf(detail, sizeof detail, "to the first durable append; after a kill in the middle of appends: %.0f ms", crash);
  report({.name = "restart, clean", .unit = "ms", .measured = median(clean), .target = 100, .lower_is_better = true, .detail = detail});
  report({.name = "restart, after a kill", .unit = "ms", .measured = crash, .target = 400, .lower_is_better = true,
          .detail = "target: 100 ms + 1 s per GB not yet indexed, here at most 0.3 GB"});
}

struct Latency {
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
};

// One append of one event every millisecond, whatever became of those before it; timed from when it was due.
Latency paced_appends(Store& store, std::uint64_t first_event, std::uint64_t count) {
  std::vector<Append> appends;
  for (std::uint64_t n = 0; n < count; ++n) appends.push_back(make_append("orders", n % 1000, first_event + n, 1));
  std::vector<double> taken(count);
  std::mutex m;
  std::condition_variable ended;
  std::uint64_t answered = 0;
  const double start = now_s();
  for (std::uint64_t n = 0; n < count; ++n) {
    const double due = start + static_cast<double>(n) * 1e-3;
    std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, due - now_s())));
    store.append_async(std::move(appends[n]), [&, n, due](Result<Appended> result) {
      must(std::move(result), "append");
      taken[n] = (now_s() - due) * 1e3;
      const std::lock_guard lock(m);
      if (++answered == count) ended.notify_all();
    });
  }
  std::unique_lock lock(m);
  ended.wait(lock, [&] { return answered == count; });
  std::sort(taken.begin(), taken.end());
  return {taken[count / 2], taken[count * 99 / 100], taken.back()};
}

// How long appends take while another thread reads the whole history again and again.
void replay() {
  auto store = must(Store::open(shared_store()), "open");
  const std::uint64_t count = setting("BATON_BENCH_SECONDS", 3) * 3000;
  std::vector<double> ratios;
  Latency quiet, busy;
  double rate = 0;
  for (std::uint64_t i = 0; i < 3; ++i) {
    quiet = paced_appends(*store, 8'000'000'000 + i * 2 * count, count);
    std::atomic<bool> stop{false};
    std::uint64_t events = 0;
    const double start = now_s();
    std::thread reader([&] {
      while (!stop) {
        must(store->scan({.context = "orders", .limit = SIZE_MAX}, [&](const EventView&) {
          ++events;
          return !stop;
        }), "scan");
      }
    });
    busy = paced_appends(*store, 8'000'000'000 + (i * 2 + 1) * count, count);
    stop = true;
    reader.join();
    rate = static_cast<double>(events) / (now_s() - start);
    ratios.push_back(busy.p99_ms / quiet.p99_ms);
  }
  char detail[300];
  std::snprintf(detail, sizeof detail,
                "1,000 appends a second, the last of three: quiet p50 %.2f ms, p99 %.2f ms, at most %.1f ms; while the history is read at %.0f events/s p50 %.2f ms, "
                "p99 %.2f ms, at most %.1f ms",
                quiet.p50_ms, quiet.p99_ms, quiet.max_ms, rate, busy.p50_ms, busy.p99_ms, busy.max_ms);
  report({.name = "append p99 during a replay", .unit = "x", .measured = median(ratios), .target = 2, .lower_is_better = true, .detail = detail});
}

void memory() {
  // In a child, so that what the other benchmarks left in this process does not count.
  const auto path = shared_store();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/proc/self/exe", "baton_bench", "memory-child", path.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
}

const Registered r1{{"scan", "store", &scan}};
const Registered r2{{"load", "store", &load}};
const Registered r3{{"restart", "store", &restart}};
const Registered r4{{"replay", "store", &replay}};
const Registered r5{{"memory", "store", &memory}};

}  // namespace

// The child of 'memory': a fresh process that opens the store, idles, and reads everything.
int memory_child(const char* path) {
  auto store = must(Store::open(path), "open");
  const auto idle = rss_anon_bytes();
  const RssSampler sampler;
  must(store->scan({.context = "orders", .limit = SIZE_MAX}, [](const EventView&) { return true; }), "scan");
  for (std::uint64_t s = 0; s < 100'000; ++s)
    must(store->read_stream({.context = "orders", .stream = "order-" + std::to_string(s), .limit = 10}), "read");
  const auto most = sampler.max_bytes();
  char detail[100];
  std::snprintf(detail, sizeof detail, "idle %.1f MiB; at most while reading all of it and 100,000 streams %.1f MiB", static_cast<double>(idle) / 1048576.0,
                static_cast<double>(most) / 1048576.0);
  report({.name = "anonymous memory", .unit = "MiB", .measured = static_cast<double>(std::max(idle, most)) / 1048576.0, .target = 64,
          .lower_is_better = true, .detail = detail});
  return exit_code();
}

}  // namespace baton::bench
