// The one place where errors of the broker become error codes of the protocol.
#pragma once

#include "broker/broker.h"
#include "kafka/wire/error_code.h"

namespace baton::kafka {

[[nodiscard]] wire::ErrorCode to_wire(broker::ProduceError error);
[[nodiscard]] wire::ErrorCode to_wire(broker::TopicError error);
[[nodiscard]] wire::ErrorCode to_wire(broker::GroupError error);
// Of a read of the log.
[[nodiscard]] wire::ErrorCode read_error(const Error& error);

}  // namespace baton::kafka
