// CloudEvents in the Kafka protocol binding, both modes, to an event of a stream.
#pragma once

#include <boost/json/fwd.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>
#include <baton/store.h>

#include "log/batch.h"

namespace baton::broker {

// The attributes of a CloudEvent that are texts of an event. In a record's header a name begins with "ce_", in one of HTTP with "ce-".
struct TextAttribute {
  std::string_view name;
  std::string NewEvent::*field;
};
// The condition under which a record may be written (docs/expected-version.md).
inline constexpr std::string_view kExpectedVersionHeader = "baton-expected-version";

inline constexpr std::array kTextAttributes = {
    TextAttribute{"id", &NewEvent::id},
    TextAttribute{"source", &NewEvent::source},
    TextAttribute{"type", &NewEvent::type},
    TextAttribute{"subject", &NewEvent::subject},
    TextAttribute{"tenant", &NewEvent::tenant},
    TextAttribute{"correlationid", &NewEvent::correlation_id},
    TextAttribute{"causationid", &NewEvent::causation_id},
    TextAttribute{"traceparent", &NewEvent::traceparent},
};
[[nodiscard]] const TextAttribute* find_text_attribute(std::string_view name);  // null: there is none
// `specversion` and `time`; `place` is how the sender calls the attribute. invalid_argument.
[[nodiscard]] Status check_specversion(std::string_view value, std::string_view place);
[[nodiscard]] Result<Time> parse_event_time(std::string_view value, std::string_view place);
// Whether data of this content type is JSON: application/json, text/json, and what ends with +json.
[[nodiscard]] bool is_json_type(std::string_view content_type);

struct ProducedEvent {
  NewEvent event;
  Expect condition;  // of the header baton-expected-version
};

// invalid_argument names the header and the rule.
[[nodiscard]] Status read_cloud_event(const log::RecordView& record, const ContextOptions& options, ProducedEvent& out);

// Who writes the JSON: a CloudEvents client; or one that knows Baton, and may leave `specversion` out and give `tags` and `headers`.
enum class EventForm { cloud_event, own };

// Structured mode: the value is a CloudEvent in JSON (CloudEvents JSON format 1.0). Sets what it says; the data keeps its bytes. An attribute that would be lost is
// refused. `partition_key`, if any, is set to the attribute `partitionkey`.
[[nodiscard]] Status read_structured_event(std::string_view json, NewEvent& out, EventForm form = EventForm::cloud_event,
                                           std::string* partition_key = nullptr);

// no-stream, exists, any, or a version. invalid_argument.
[[nodiscard]] Result<Expect> parse_expected(std::string_view text);

// Tags as the attribute `batontags`, since attributes of CloudEvents are no lists: with commas between them; in a tag, "," is written %2C and "%" %25.
[[nodiscard]] std::string join_tags(const std::vector<std::string>& tags);
[[nodiscard]] Result<std::vector<std::string>> split_tags(std::string_view joined);
// Headers of a record that are no attributes as the attribute `batonheaders`: NAME=VALUE, with commas between them. In both every byte that is not printable ASCII, and
// "," "=" "%" and the space, is written as "%" and two hexadecimal digits.
[[nodiscard]] std::string join_headers(const std::vector<Header>& headers);
[[nodiscard]] Result<std::vector<Header>> split_headers(std::string_view joined);

// `data` or `data_base64` of an object that `text` is; the data keeps its bytes. The content type is set before. invalid_argument.
[[nodiscard]] Status read_data(std::string_view text, const boost::json::object& object, NewEvent& out);
// The headers as JSON, in Baton's own form: [["name", "value"], ["name", null, "value in Base64"]]. Appended to `out`.
[[nodiscard]] Status read_header_list(const boost::json::value& list, std::vector<Header>& out);

}  // namespace baton::broker
