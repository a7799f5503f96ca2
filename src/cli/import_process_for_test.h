// The program `baton import` as a process of its own, killed and watched.
#pragma once

#include <cstdint>
#include <string>

namespace baton::cli::for_test {

struct KilledImport {
  std::uint64_t bytes = 0;            // of the file to make
  int kills = 3;
  std::uint64_t anonymous_max = 0;    // bytes of RssAnon that no process may pass; 0: not looked at
};
// Makes an unsorted file, imports it in one go and, into another store, with SIGKILLs on the way; compares the events of both. Failures are
// those of GoogleTest. Prints what it took.
void import_with_kills(const KilledImport& plan);

}  // namespace baton::cli::for_test
