#include "log/log.h"

namespace baton::log {

Result<VerifyReport> verify(os::Env&, const std::string&, std::optional<Hash256>,
                            const std::function<void(std::uint64_t, std::uint64_t)>&) {
  return VerifyReport{};
}

}  // namespace baton::log
