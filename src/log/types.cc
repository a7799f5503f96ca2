#include "log/types.h"

#include <span>

#include "base/hex.h"

namespace baton::log {

std::string TopicId::to_hex() const { return base::to_hex(std::as_bytes(std::span(bytes))); }

}  // namespace baton::log
