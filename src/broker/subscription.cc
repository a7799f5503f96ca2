#include "broker/subscription.h"

#include <cstdint>

#include "base/varint.h"

namespace baton::broker {

std::optional<std::vector<std::string_view>> subscribed_topics(base::ByteView metadata) {
  base::Reader in(metadata);
  const auto version = in.be<std::int16_t>();
  const auto count = in.be<std::int32_t>();
  if (!version || *version < 0 || !count || *count < 0) return std::nullopt;
  std::vector<std::string_view> topics;
  for (std::int32_t i = 0; i < *count; ++i) {
    const auto length = in.be<std::int16_t>();
    if (!length || *length < 0) return std::nullopt;
    const auto name = in.bytes(static_cast<std::uint64_t>(*length));
    if (!name) return std::nullopt;
    topics.push_back(base::as_text(*name));
  }
  return topics;
}

}  // namespace baton::broker
