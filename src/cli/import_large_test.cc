#include <gtest/gtest.h>

#include "cli/import_process_for_test.h"

TEST(ImportProcess, TwoGigabytesInBoundedMemoryKilledThreeTimes) {
  baton::cli::for_test::import_with_kills({.bytes = 2'000'000'000, .anonymous_max = 128u << 20});
}
