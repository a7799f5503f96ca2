// The member functions of include/baton/event.h.
#include <baton/event.h>

#include "base/check.h"
#include "base/time.h"
#include "store/event_codec.h"
#include "store/position_codec.h"

namespace baton {

Result<Time> Time::parse(std::string_view text) {
  if (const auto ns = base::parse_rfc3339_ns(text)) return Time{*ns};
  return Error{Code::invalid_argument,
               "not a time: '" + std::string(text) +
                   "'. Write it as RFC 3339 with an offset or Z, between the years 1678 and 2261: 2014-01-01T08:14:00Z"};
}

std::string Time::to_string() const { return base::format_rfc3339_ns(ns); }

Position EventView::position() const {
  BATON_CHECK(position_context != nullptr, "an EventView without its reader has no position");
  return static_cast<const store::PositionContext*>(position_context)->position_of(partition, offset, epoch);
}

Event EventView::to_event() const {
  Event e;
  e.context = context;
  e.stream = stream;
  e.version = version;
  if (position_context != nullptr) e.position = position();
  e.offset = offset;
  e.partition = partition;
  e.recorded = Time{recorded_ms * 1'000'000};
  e.time = store::event_time(*this);
  e.type = type;
  e.id = id;
  e.source = source;
  e.content_type = content_type;
  e.has_data = has_data;
  e.data = data;
  e.tenant = tenant;
  e.correlation_id = correlation_id;
  e.causation_id = causation_id;
  e.traceparent = traceparent;
  e.subject = subject;
  e.tags.assign(tags, tags + tag_count);
  e.headers.reserve(raw_header_count);
  for (std::size_t i = 0; i < raw_header_count; ++i) {
    e.headers.push_back({std::string(raw_headers[i].name), std::string(raw_headers[i].value)});
  }
  if (const auto before = store::truncated_before(system)) {
    e.system = "truncated";
    e.truncated_before = *before;
  } else {
    e.system = system;
  }
  return e;
}

}  // namespace baton
