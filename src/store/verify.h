// `baton verify`: the log, and what is kept beside it: the indexes, which are derived from it, and the stream heads snapshots, which are
// not. Changes nothing. Beside a writer too: what is there when it begins.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <baton/result.h>

#include "log/log.h"
#include "os/env.h"

namespace baton::store {

struct VerifyReport {
  log::VerifyReport log;      // its findings and notes include those below
  std::uint64_t indexes = 0;  // that were compared with the log
  std::uint64_t index_entries = 0;
  std::uint64_t heads = 0;  // streams in heads snapshots
};

// Of an index, every entry must be one that the log asks for, and every entry that the log asks for, up to where the index says it is
// complete, must be there. What is wrong with an index loses no event, and the finding says so. Memory: 128 KiB for each partition.
[[nodiscard]] Result<VerifyReport> verify_store(os::Env& env, const std::string& directory, std::optional<log::Hash256> root,
                                                const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

}  // namespace baton::store
