// CloudEvents in the Kafka protocol binding, both modes, to an event of a stream.
#pragma once

#include <string>
#include <string_view>

#include <baton/event.h>
#include <baton/result.h>
#include <baton/store.h>

#include "log/batch.h"

namespace baton::broker {

struct ProducedEvent {
  NewEvent event;
  Expect condition;  // of the header baton-expected-version
};

// invalid_argument names the header and the rule.
[[nodiscard]] Status read_cloud_event(const log::RecordView& record, const ContextOptions& options, ProducedEvent& out);

// Structured mode: the value is a CloudEvent in JSON (CloudEvents JSON format 1.0). Sets what it says; the data keeps its bytes.
[[nodiscard]] Status read_structured_event(std::string_view json, NewEvent& out);

}  // namespace baton::broker
