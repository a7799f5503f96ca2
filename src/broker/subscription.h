// Which topics a consumer is subscribed to: the only thing that a broker reads of the metadata that members bring. It is the
// clients' own format (`ConsumerProtocolSubscription`: version int16, topics array of string, then more that is of no interest here).
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace baton::broker {

inline constexpr std::string_view kConsumerProtocolType = "consumer";

// The topics, pointing into `metadata`; nothing when that is no subscription.
[[nodiscard]] std::optional<std::vector<std::string_view>> subscribed_topics(base::ByteView metadata);

}  // namespace baton::broker
