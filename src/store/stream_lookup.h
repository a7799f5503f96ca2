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

// What system records (deletes and truncations) of a stream are indexed under, beside the stream itself. It is next to `hash`, the
// stream's own, so that both lie in one line of each filter and in one block: every append to a stream that is not in the cache
// asks for both, and nearly always there is no system record.
[[nodiscard]] constexpr std::uint64_t system_hash(std::uint64_t hash) noexcept { return hash ^ 1; }

// `hash` is stream_hash(stream). A stream without records below `to` has last_version -1.
[[nodiscard]] Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                     std::string_view stream, std::uint64_t hash, log::Offset to);

// The same when the newest entries below `to` of `hash` and of system_hash(hash) are known already (a look-up of many).
[[nodiscard]] Result<Head> find_head(const PartitionView& partition, const IndexSnapshot& index, RecordFetcher& fetcher,
                                     std::string_view stream, std::uint64_t hash, log::Offset to,
                                     const std::optional<IndexHit>& newest, const std::optional<IndexHit>& newest_system);

}  // namespace baton::store
