// Reads of a context: pages, scans, places in it. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <baton/result.h>
#include <baton/store.h>

#include "store/context_scanner.h"
#include "store/read_view.h"

namespace baton::store {

[[nodiscard]] Result<ContextPage> read_context(std::shared_ptr<const ContextView> context, const ReadContext& request);
// `limit` is not looked at: `visit` says when to stop. `pace`: ContextScanner::set_pace.
[[nodiscard]] Result<Scanned> scan_context(std::shared_ptr<const ContextView> context, const ReadContext& request,
                                           const Visit& visit, std::function<Result<bool>(std::size_t)> pace = {});
[[nodiscard]] Result<std::int64_t> rank_of(const ContextView& context, const Position& position);
[[nodiscard]] Result<Position> position_at(const ContextView& context, std::optional<Time> recorded);
[[nodiscard]] Result<ContextInfo> describe(const ContextView& context);

}  // namespace baton::store
