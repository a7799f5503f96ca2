#include <algorithm>
#include <charconv>
#include <optional>

#include "base/bytes.h"
#include "base/time.h"
#include "store/event_codec.h"
#include "store/identity.h"
#include "store/limits.h"

namespace baton::store {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

std::int64_t floor_ms(Time time) {
  const std::int64_t ms = time.ns / kNsPerMs;
  return time.ns % kNsPerMs < 0 ? ms - 1 : ms;
}

std::string_view first_given(std::string_view a, std::string_view b, std::string_view c = {}) {
  return !a.empty() ? a : !b.empty() ? b : c;
}

}  // namespace

std::string_view bare_type(std::string_view context, std::string_view type) {
  if (type.size() > context.size() + 1 && type[context.size()] == '.' && type.starts_with(context)) {
    type.remove_prefix(context.size() + 1);
  }
  return type;
}

bool has_context_prefix(std::string_view type) {
  const auto dot = type.find('.');
  return dot != std::string_view::npos && dot + 1 < type.size() && is_context_name(type.substr(0, dot));
}

EventEncoder::EventEncoder(std::string context) : context_(std::move(context)), source_(default_source(context_)) {
  headers_.reserve(16 + kTagsMax);
}

void EventEncoder::put(std::string_view name, std::string_view value) {
  if (!value.empty()) headers_.push_back({name, base::as_bytes(value)});
}

void EventEncoder::put_envelope(const EventPlace& place, std::string_view source, std::string_view type, Time time) {
  // Most events of a batch share a time: that of the append.
  if (!(time == time_)) {
    time_ = time;
    time_text_ = base::format_rfc3339_ns(time.ns);
  }
  headers_.clear();
  put("ce_specversion", "1.0");
  put("ce_id", place.id);
  put("ce_source", source);
  put("ce_type", type);
  put("ce_time", time_text_);
}

void EventEncoder::put_version(std::int64_t version) {
  const auto [end, error] = std::to_chars(version_text_.data(), version_text_.data() + version_text_.size(), version);
  (void)error;  // 24 characters hold every 64-bit number
  put("baton-version", std::string_view(version_text_.data(), static_cast<std::size_t>(end - version_text_.data())));
}

void EventEncoder::add(log::BatchBuilder& batch, const NewEvent& event, const EventPlace& place) {
  if (has_context_prefix(event.type)) {
    type_ = event.type;
  } else {
    type_ = context_;
    type_ += '.';
    type_ += event.type;
  }
  const Time time = event.time.value_or(Time{place.append_ms * kNsPerMs});
  put_envelope(place, event.source.empty() ? source_ : event.source, type_, time);
  put("ce_subject", event.subject);
  put("ce_tenant", first_given(event.tenant, place.tenant));
  put("ce_correlationid", first_given(event.correlation_id, place.correlation_id, place.id));
  put("ce_causationid", first_given(event.causation_id, place.causation_id));
  put("ce_traceparent", first_given(event.traceparent, place.traceparent));
  put("content-type", event.content_type);
  put_version(place.version);
  for (auto tag = event.tags.begin(); tag != event.tags.end(); ++tag) {
    if (std::find(event.tags.begin(), tag, *tag) == tag) put("baton-tag", *tag);
  }
  for (const auto& header : event.headers) headers_.push_back({header.name, base::as_bytes(header.value)});
  batch.add(floor_ms(time), base::as_bytes(place.stream),
            event.has_data ? std::optional(base::as_bytes(event.data)) : std::nullopt, headers_, place.offset_delta);
}

void EventEncoder::add_system(log::BatchBuilder& batch, const EventPlace& place, std::string_view type, std::string_view what) {
  put_envelope(place, source_, type, Time{place.append_ms * kNsPerMs});
  put("ce_tenant", place.tenant);
  put("ce_correlationid", first_given(place.correlation_id, place.id));
  put("ce_causationid", place.causation_id);
  put("ce_traceparent", place.traceparent);
  put("baton-system", what);
  batch.add(place.append_ms, base::as_bytes(place.stream), std::nullopt, headers_);
}

void EventEncoder::add_deleted(log::BatchBuilder& batch, const EventPlace& place) {
  add_system(batch, place, kDeletedType, "deleted");
}

void EventEncoder::add_truncated(log::BatchBuilder& batch, const EventPlace& place, std::int64_t before_version) {
  add_system(batch, place, kTruncatedType, "truncated:" + std::to_string(before_version));
}

}  // namespace baton::store
