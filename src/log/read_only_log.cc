#include "log/read_only_log.h"

namespace baton::log {

Result<std::unique_ptr<Log>> ReadOnlyLog::open(os::Env&, const std::string&, const LogOptions&) {
  return Error{Code::unavailable, "not yet"};
}

}  // namespace baton::log
