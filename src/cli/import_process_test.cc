#include <gtest/gtest.h>

#include "cli/import_process_for_test.h"

TEST(ImportProcess, KilledThreeTimesEndsLikeOneThatWasLeftAlone) { baton::cli::for_test::import_with_kills({.bytes = 40'000'000}); }
