#include "harness.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

namespace baton::bench {

namespace {
bool starred_missed = false;
std::vector<Benchmark>& registry() {
  static std::vector<Benchmark> all;
  return all;
}
}  // namespace

void report(const Row& row) {
  const bool met = row.lower_is_better ? row.measured <= row.target : row.measured >= row.target;
  if (!met && row.starred) starred_missed = true;
  std::printf("%s%s | %.3g%s | %s %.3g%s | %s | %s\n", row.starred ? "* " : "", row.name.c_str(), row.measured,
              row.unit.c_str(), row.lower_is_better ? "<=" : ">=", row.target, row.unit.c_str(), met ? "met" : "missed",
              row.detail.c_str());
  std::fflush(stdout);
}

int exit_code() { return starred_missed ? 1 : 0; }
void add_benchmark(const Benchmark& benchmark) { registry().push_back(benchmark); }
const std::vector<Benchmark>& benchmarks() { return registry(); }

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr && *text != 0 ? std::strtoull(text, nullptr, 10) : otherwise;
}

double process_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

Scratch::Scratch(std::string_view name) {
  const char* base = std::getenv("BATON_BENCH_DIR");
  path_ = std::string(base != nullptr ? base : "./bench-data") + "/" + std::string(name);
  std::filesystem::remove_all(path_);
  std::filesystem::create_directories(path_);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint64_t rss_anon_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtoull(line.c_str() + 8, nullptr, 10) * 1024;
  return 0;
}

struct RssSampler::State {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> max{0};
  std::thread thread;
};

RssSampler::RssSampler() : state_(new State) {
  state_->thread = std::thread([s = state_] {
    while (!s->stop) {
      s->max = std::max(s->max.load(), rss_anon_bytes());
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
}

RssSampler::~RssSampler() {
  state_->stop = true;
  state_->thread.join();
  delete state_;
}

std::uint64_t RssSampler::max_bytes() const { return std::max(state_->max.load(), rss_anon_bytes()); }

NewEvent make_event(std::uint64_t n) {
  NewEvent event;
  event.type = "OrderLineAdded";
  char data[256];
  const int used = std::snprintf(data, sizeof data, R"({"order":%llu,"sku":"sku-%05llu","quantity":%llu,"price":"%llu.%02llu","note":")",
                                 static_cast<unsigned long long>(n / 7), static_cast<unsigned long long>(n % 99991),
                                 static_cast<unsigned long long>(n % 12 + 1), static_cast<unsigned long long>(n % 180),
                                 static_cast<unsigned long long>(n % 100));
  event.data.assign(data, static_cast<std::size_t>(used));
  while (event.data.size() < 198) event.data.push_back(static_cast<char>('a' + (n + event.data.size()) % 26));
  event.data += "\"}";
  event.source = "/bench/orders";
  event.tenant = "tenant-" + std::to_string(n % 16);
  event.correlation_id = "correlation-" + std::to_string(n / 7);
  event.causation_id = "cause-" + std::to_string(n);
  event.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  event.tags = {"sku:" + std::to_string(n % 99991), "customer:" + std::to_string(n % 4373)};
  return event;
}

Append make_append(std::string_view context, std::uint64_t stream, std::uint64_t first, std::size_t count) {
  Append append;
  append.context = context;
  append.streams.push_back({.stream = "order-" + std::to_string(stream), .condition = Expect::any(), .events = {}});
  append.streams[0].events.reserve(count);
  for (std::size_t i = 0; i < count; ++i) append.streams[0].events.push_back(make_event(first + i));
  return append;
}

// The appends are made before the clock starts, as the peer's bytes are: what a caller does to make an event is not the store's work.
Load run_async(Store& store, const std::string& context, std::size_t writers, std::uint64_t count, std::uint64_t first_event) {
  std::vector<Append> appends;
  appends.reserve(count);
  for (std::uint64_t n = 0; n < count; ++n) appends.push_back(make_append(context, n % writers, first_event + n, 1));
  struct Shared {
    std::mutex m;
    std::condition_variable done;
    bool ended = false;
    std::uint64_t next = 0, answered = 0;  // on the store's thread only, once the first ones are under way
  } shared;
  std::function<void(Result<Appended>)> completion = [&](Result<Appended> result) {
    must(std::move(result), "append");
    if (++shared.answered == count) {
      const std::lock_guard lock(shared.m);
      shared.ended = true;
      shared.done.notify_all();
    } else if (shared.next < count) {
      store.append_async(std::move(appends[shared.next++]), completion);
    }
  };
  shared.next = std::min<std::uint64_t>(writers, count);
  const double start = now_s(), cpu = process_cpu_s();
  const auto first = shared.next;
  for (std::uint64_t w = 0; w < first; ++w) store.append_async(std::move(appends[w]), completion);
  std::unique_lock lock(shared.m);
  shared.done.wait(lock, [&] { return shared.ended; });
  return {now_s() - start, count, process_cpu_s() - cpu};
}

}  // namespace baton::bench
