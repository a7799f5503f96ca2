// baton_bench [GROUP | NAME...]: runs the benchmarks named, prints a line a row, ends with 1 when a starred row is missed.
#include <algorithm>
#include <cstdio>
#include <string_view>
#include <vector>

#include "harness.h"

namespace baton::bench {
int memory_child(const char* path);  // bench_read.cc
}

int main(int argc, char** argv) {
  using namespace baton::bench;
  if (argc == 3 && std::string_view(argv[1]) == "memory-child") return memory_child(argv[2]);
  std::vector<std::string_view> wanted(argv + 1, argv + argc);
  for (const auto name : wanted) {
    const auto known = [&](const Benchmark& b) { return b.name == name || b.group == name; };
    if (std::none_of(benchmarks().begin(), benchmarks().end(), known)) {
      std::fprintf(stderr, "bench: no benchmark '%.*s'; there are:", static_cast<int>(name.size()), name.data());
      for (const auto& b : benchmarks()) std::fprintf(stderr, " %.*s", static_cast<int>(b.name.size()), b.name.data());
      std::fprintf(stderr, "\n");
      return 2;
    }
  }
  std::printf("name | measured | target | verdict | detail\n");
  for (const auto& b : benchmarks()) {
    const bool run = wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](std::string_view w) { return w == b.name || w == b.group; });
    if (run) b.run();
  }
  return exit_code();
}
