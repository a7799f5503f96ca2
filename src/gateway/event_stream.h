// Server-sent events (the HTML standard, "Server-sent events"): the events of a context as they come, from a position on, for as long as the client listens.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <baton/store.h>

#include "gateway/gateway.h"
#include "log/types.h"

namespace baton::gateway {

// `read.after` is where it begins, `partitions` are those of its context. On `core`. An event's `id` is its position, so that a client that comes back goes on behind it.
// `refused` is asked before each piece: a client whose right is taken away is told so, and the stream ends.
[[nodiscard]] std::unique_ptr<net::Stream> stream_events(Gateway& gateway, os::Executor& core, ReadContext read,
                                                         std::vector<log::PartitionKey> partitions, std::function<std::optional<Response>()> refused);

}  // namespace baton::gateway
