// The handlers of the routes: each runs on the core of its connection and does not block.
#pragma once

#include "gateway/call.h"
#include "gateway/gateway.h"

namespace baton::gateway {

// streams.cc
void append_to_stream(Gateway& gateway, const CallPtr& call);
void read_stream(Gateway& gateway, const CallPtr& call);
void list_streams(Gateway& gateway, const CallPtr& call);
void delete_stream(Gateway& gateway, const CallPtr& call);
void truncate_stream(Gateway& gateway, const CallPtr& call);
// snapshots.cc
void load_aggregate(Gateway& gateway, const CallPtr& call);
void get_snapshot(Gateway& gateway, const CallPtr& call);
void put_snapshot(Gateway& gateway, const CallPtr& call);
// contexts.cc
void list_contexts(Gateway& gateway, const CallPtr& call);
void get_context(Gateway& gateway, const CallPtr& call);
void create_context(Gateway& gateway, const CallPtr& call);
void configure_context(Gateway& gateway, const CallPtr& call);
void find_position(Gateway& gateway, const CallPtr& call);
void get_checkpoint(Gateway& gateway, const CallPtr& call);
void put_checkpoint(Gateway& gateway, const CallPtr& call);
// events.cc
void read_events_of_context(Gateway& gateway, const CallPtr& call);
void post_events(Gateway& gateway, const CallPtr& call);
void append_to_context(Gateway& gateway, const CallPtr& call);
// views.cc
void list_views(Gateway& gateway, const CallPtr& call);
void query_view(Gateway& gateway, const CallPtr& call);
void read_view_table(Gateway& gateway, const CallPtr& call);
// service.cc
void get_index(Gateway& gateway, const CallPtr& call);
void get_health(Gateway& gateway, const CallPtr& call);
void get_ready(Gateway& gateway, const CallPtr& call);
void get_metrics(Gateway& gateway, const CallPtr& call);
void get_openapi(Gateway& gateway, const CallPtr& call);
void get_store(Gateway& gateway, const CallPtr& call);
void apply_retention(Gateway& gateway, const CallPtr& call);
void confirm_clock(Gateway& gateway, const CallPtr& call);

}  // namespace baton::gateway
