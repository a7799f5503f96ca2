// The head of a stream as of an offset: from the index, and for streams whose records a retention removed, from the heads snapshot.
//
// Any thread. Everything below `to` must be in the index (PartitionView::index_ready).
#pragma once

#include <cstdint>
#include <string_view>

#include <baton/result.h>

#include "log/types.h"
#include "store/head_cache.h"
#include "store/index_cursor.h"
#include "store/read_view.h"
#include "store/record_fetcher.h"

namespace baton::store {

// What system records (deletes and truncations) of a stream are indexed under, beside the stream itself: the identity with an empty
// source and an empty id, which no event has.
[[nodiscard]] std::uint64_t system_hash(std::string_view stream);

// `hash` is stream_hash(stream). A stream without records below `to` has last_version -1.
[[nodiscard]] Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                     std::string_view stream, std::uint64_t hash, log::Offset to);

// The same when the newest entry of `hash` is known already (a look-up of many).
[[nodiscard]] Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                     std::string_view stream, std::uint64_t hash, log::Offset to,
                                     const std::optional<IndexHit>& newest);

}  // namespace baton::store
