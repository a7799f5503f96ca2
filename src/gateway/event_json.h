// Events as JSON over HTTP: CloudEvents 1.0 in the JSON format, in and out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>
#include <baton/store.h>

#include "gateway/http.h"

namespace baton::gateway {

// A stored event as a CloudEvent: its attributes, `partitionkey` (the stream), and Baton's own: batoncontext, batonversion, batonposition, batonoffset,
// batonpartition, batonrecorded, batontags, batonheaders, batonsystem. JSON data stands as it is, other data is `data_base64`.
void put_cloud_event(std::string& out, const Event& event);

// What came in a request with events, in each of the three modes of the HTTP binding of CloudEvents.
struct Incoming {
  NewEvent event;
  std::string partition_key;  // the attribute; empty: none
};
enum class EventMode { binary, structured, batch, none };
[[nodiscard]] EventMode mode_of(const Request& request);
// invalid_argument names the event, the attribute and the rule.
[[nodiscard]] Result<std::vector<Incoming>> read_events(const Request& request, EventMode mode);

// The body of POST /contexts/{context}/append.
[[nodiscard]] Result<Append> read_append(std::string_view body, const std::string& context);
void put_appended(std::string& out, const Appended& appended);

}  // namespace baton::gateway
