// Lists the streams of a context. Any thread.
#pragma once

#include <cstddef>
#include <string>

#include <baton/result.h>
#include <baton/store.h>

#include "store/read_view.h"

namespace baton::store {

// By (stream_hash(name), name), those after `after`, whose names begin with `prefix`; at most `limit`. Streams that a retention has removed the
// records of are among them. unavailable while an index is rebuilt.
[[nodiscard]] Result<Store::StreamsPage> list_streams(const ContextView& context, const std::string& prefix, const std::string& after,
                                                      std::size_t limit);

}  // namespace baton::store
