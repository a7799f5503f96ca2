// What the benchmarks share: rows with targets, clocks, memory, scratch directories, the load that all of them write.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/store.h>

namespace baton::bench {

// One question, answered as a ratio against a peer that was measured in the same run. `measured` >= target (or <= when
// lower_is_better) is 'met'.
struct Row {
  std::string name;
  std::string unit;            // "x", "ms", "MiB"
  double measured = 0;
  double target = 0;
  bool lower_is_better = false;
  bool starred = false;        // missed: the program ends with 1
  std::string detail;          // the absolute numbers of both sides
};

// Prints "name | 0.83x | >= 0.70x | met | detail" at once, and remembers a missed starred row.
void report(const Row& row);
[[nodiscard]] int exit_code();

struct Benchmark {
  std::string_view name;
  std::string_view group;      // "store"
  void (*run)();
};
void add_benchmark(const Benchmark& benchmark);
// Registers at start-up: static const Registered r{{"append64", "store", &append64}};
struct Registered {
  explicit Registered(const Benchmark& b) { add_benchmark(b); }
};
[[nodiscard]] const std::vector<Benchmark>& benchmarks();

// Settings from the environment, so that a short run is possible: BATON_BENCH_EVENTS=1000000 and the like.
[[nodiscard]] std::uint64_t setting(const char* name, std::uint64_t otherwise);

[[nodiscard]] inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
[[nodiscard]] double process_cpu_s();  // user + system of this process
[[nodiscard]] double median(std::vector<double> values);

// A fresh directory under BATON_BENCH_DIR (default ./bench-data), removed by the destructor.
class Scratch {
 public:
  explicit Scratch(std::string_view name);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// RssAnon of this process in bytes, and its maximum while an object lives (sampled every 100 ms).
[[nodiscard]] std::uint64_t rss_anon_bytes();
class RssSampler {
 public:
  RssSampler();
  ~RssSampler();
  [[nodiscard]] std::uint64_t max_bytes() const;

 private:
  struct State;
  State* state_;
};

// The load: event number `n` with 200 bytes of JSON data and the full envelope, two tags, on stream order-<stream>.
[[nodiscard]] NewEvent make_event(std::uint64_t n);
[[nodiscard]] Append make_append(std::string_view context, std::uint64_t stream, std::uint64_t first, std::size_t count);

struct Load {
  double seconds = 0;
  std::uint64_t appends = 0;
  double cpu_s = 0;
};
// `writers` asynchronous callers, each with one append of one event outstanding, each on a stream of its own, until `count` are done.
Load run_async(Store& store, const std::string& context, std::size_t writers, std::uint64_t count, std::uint64_t first_event);

// Ends the program with the error: a benchmark that cannot run has no number.
template <typename T>
T must(Result<T> result, std::string_view what) {
  if (!result) {
    std::fprintf(stderr, "bench: %.*s: %s\n", static_cast<int>(what.size()), what.data(), result.error().to_string().c_str());
    std::exit(2);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace baton::bench
