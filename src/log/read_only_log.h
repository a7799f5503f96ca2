// The Log that only reads: beside a writer, as far as its live marks say, or without one, when it was closed or this machine has
// not been restarted since.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "log/live_marks.h"
#include "log/log.h"
#include "log/partition.h"

namespace baton::log {

class ReadOnlyLog {
 public:
  static Result<std::unique_ptr<Log>> open(os::Env& env, const std::string& directory, const LogOptions& options);
};

}  // namespace baton::log
