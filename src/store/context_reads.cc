#include "store/context_reads.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "base/try.h"

namespace baton::store {

Result<ContextPage> read_context(std::shared_ptr<const ContextView> context, const ReadContext& request) {
  if (request.limit == 0) return Error{Code::invalid_argument, "a read needs a limit of at least 1"};
  ContextPage page;
  const Visit keep = [&](const EventView& event) {
    page.events.push_back(event.to_event());
    return true;
  };
  if (request.backward) {
    BATON_TRY_ASSIGN(page.next, scan_backward(*context, request, request.limit, keep, page.at_end));
    return page;
  }
  BATON_TRY_ASSIGN(const auto scanner, ContextScanner::start(std::move(context), request));
  const auto handed_out = scanner->run(request.limit, keep);
  if (!handed_out) return handed_out.error();
  page.next = scanner->position();
  page.at_end = scanner->at_end();
  page.removed = scanner->removed();
  return page;
}

Result<Scanned> scan_context(std::shared_ptr<const ContextView> context, const ReadContext& request, const Visit& visit,
                             std::function<Result<bool>(std::size_t)> pace) {
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  if (request.backward) {
    bool at_end = false;
    BATON_TRY_ASSIGN(Position reached, scan_backward(*context, request, kNoLimit, visit, at_end));
    return Scanned{.position = std::move(reached)};
  }
  BATON_TRY_ASSIGN(const auto scanner, ContextScanner::start(std::move(context), request));
  scanner->set_pace(std::move(pace));
  const auto handed_out = scanner->run(kNoLimit, visit);
  if (!handed_out) return handed_out.error();
  return Scanned{.position = scanner->position(), .removed = scanner->removed()};
}

Result<std::int64_t> rank_of(const ContextView& context, const Position& position) {
  std::vector<std::shared_ptr<const log::PartitionReader>> readers;
  for (const auto& partition : context.partitions) readers.push_back(partition->shared_reader());
  BATON_TRY_ASSIGN(const auto next, check_position(position, context.id, readers));
  return std::accumulate(next.begin(), next.end(), std::int64_t{0});
}

Result<Position> position_at(const ContextView& context, std::optional<Time> recorded) {
  ReadContext request;
  request.as_of.recorded = recorded;
  BATON_TRY_ASSIGN(const auto ranges, ContextScanner::ranges(context, request, nullptr, ContextScanner::kNoPartition));
  PositionContext positions(context.id, static_cast<std::int32_t>(ranges.size()));
  for (std::size_t p = 0; p < ranges.size(); ++p) {
    const std::int64_t last = ranges[p].end - 1;
    const log::PartitionReader& reader = context.partitions[p]->reader();
    const log::Bounds bounds = reader.bounds();
    if (last < 0) continue;
    if (last < bounds.log_start.value()) {
      // Of a log of which all was removed that is the end; of another it is before what is left.
      if (ranges[p].end == context.partitions[p]->end().value()) positions.saw(log::PartitionId(static_cast<std::int32_t>(p)), last, bounds.epoch);
      continue;
    }
    BATON_TRY_ASSIGN(const log::Epoch epoch, epoch_at(reader, log::Offset(last)));
    positions.saw(log::PartitionId(static_cast<std::int32_t>(p)), last, epoch);
  }
  return positions.position();
}

Result<ContextInfo> describe(const ContextView& context) {
  ContextInfo info;
  info.name = context.name;
  info.id = context.id.to_hex();
  info.options = context.options;
  for (const auto& partition : context.partitions) {
    info.events += partition->end().value() - partition->reader().bounds().log_start.value();
    info.bytes += partition->reader().bytes();
  }
  BATON_TRY_ASSIGN(info.end, position_at(context, std::nullopt));
  PositionContext start(context.id, static_cast<std::int32_t>(context.partitions.size()));
  for (std::size_t p = 0; p < context.partitions.size(); ++p) {
    const log::PartitionReader& reader = context.partitions[p]->reader();
    const log::Bounds bounds = reader.bounds();
    if (bounds.log_start.value() == 0) continue;
    const std::int64_t last = bounds.log_start.value() - 1;
    BATON_TRY_ASSIGN(const log::Epoch epoch, epoch_at(reader, log::Offset(last)));
    start.saw(log::PartitionId(static_cast<std::int32_t>(p)), last, epoch);
  }
  info.start = start.position();
  return info;
}

}  // namespace baton::store
