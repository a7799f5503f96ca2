#include "broker/cloud_event.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/time.h"
#include "base/try.h"

namespace baton::broker {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::string_view kStructured = "application/cloudevents";

Error bad(std::string text) { return {Code::invalid_argument, std::move(text)}; }

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && std::ranges::equal(text.substr(0, prefix.size()), prefix, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Reads the headers of one record.
class Headers {
 public:
  Headers(ProducedEvent& out, bool structured) : out_(out), structured_(structured) {}

  [[nodiscard]] Status read(const log::HeaderView& header) {
    const std::string_view name = header.key;
    const std::string_view value = base::as_text(header.value.value_or(base::ByteView()));
    if (name.starts_with("ce_")) return read_attribute(name, value);
    if (name == "content-type") return read_content_type(value);
    if (name.starts_with("baton-")) return read_own(name, value);
    out_.event.headers.push_back({std::string(name), std::string(value)});
    return {};
  }

 private:
  [[nodiscard]] Status once(std::string_view name) {
    if (std::ranges::find(seen_, name) != seen_.end()) return bad("header " + std::string(name.substr(0, 64)) + " is given twice");
    seen_.push_back(name);
    return {};
  }
  [[nodiscard]] Status read_attribute(std::string_view name, std::string_view value) {
    BATON_TRY(once(name));
    if (structured_) return bad("header " + std::string(name.substr(0, 64)) + " beside a structured CloudEvent: an attribute is in one place");
    const std::string_view attribute = name.substr(3);
    if (attribute == "specversion") return check_specversion(value, name);
    if (attribute == "time") {
      BATON_TRY_ASSIGN(out_.event.time, parse_event_time(value, name));
      return {};
    }
    const auto* const known = find_text_attribute(attribute);
    if (known == nullptr) return bad("header " + std::string(name.substr(0, 64)) + " is no attribute that a context keeps: send it without 'ce_'");
    out_.event.*known->field = std::string(value);
    return {};
  }
  [[nodiscard]] Status read_content_type(std::string_view value) {
    BATON_TRY(once("content-type"));
    if (!structured_) out_.event.content_type = std::string(value);
    return {};
  }
  [[nodiscard]] Status read_own(std::string_view name, std::string_view value) {
    if (name == "baton-tag") {
      out_.event.tags.emplace_back(value);
      return {};
    }
    if (name == "baton-version") return {};  // the store gives it: what a copied event had is dropped
    if (name == kExpectedVersionHeader) {
      BATON_TRY(once(name));
      BATON_TRY_ASSIGN(out_.condition, parse_expected(value));
      return {};
    }
    return bad("header " + std::string(name.substr(0, 64)) + ": names that begin with 'baton-' are Baton's own");
  }

  ProducedEvent& out_;
  const bool structured_;
  std::vector<std::string_view> seen_;
};

bool is_structured(const log::RecordView& record) {
  return std::ranges::any_of(record.headers, [](const log::HeaderView& header) {
    return header.key == "content-type" && header.value && starts_with_ignoring_case(base::as_text(*header.value), kStructured);
  });
}

}  // namespace

const TextAttribute* find_text_attribute(std::string_view name) {
  const auto* const found = std::ranges::find(kTextAttributes, name, &TextAttribute::name);
  return found == kTextAttributes.end() ? nullptr : found;
}

Status check_specversion(std::string_view value, std::string_view place) {
  if (value == "1.0") return {};
  return bad(std::string(place) + " is 1.0, not '" + std::string(value.substr(0, 20)) + "'");
}

Result<Time> parse_event_time(std::string_view value, std::string_view place) {
  const auto ns = base::parse_rfc3339_ns(value);
  if (!ns) return bad(std::string(place) + " is a time as in 2024-02-29T23:59:59.123Z (RFC 3339), not '" + std::string(value.substr(0, 40)) + "'");
  return Time{*ns};
}

bool is_json_type(std::string_view content_type) {
  auto type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const auto is = [&](std::string_view name) { return type.size() == name.size() && starts_with_ignoring_case(type, name); };
  constexpr std::string_view kSuffix = "+json";
  return is("application/json") || is("text/json") ||
         (type.size() > kSuffix.size() && starts_with_ignoring_case(type.substr(type.size() - kSuffix.size()), kSuffix));
}

Result<Expect> parse_expected(std::string_view text) {
  if (text == "no-stream") return Expect::no_stream();
  if (text == "exists") return Expect::exists();
  if (text == "any") return Expect::any();
  std::int64_t version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size() || version < 0) {
    return bad("an expected version (baton-expected-version) is no-stream, exists, any or a number from 0, not '" + std::string(text.substr(0, 40)) + "'");
  }
  return Expect::exact(version);
}

Status read_cloud_event(const log::RecordView& record, const ContextOptions& options, ProducedEvent& out) {
  const bool structured = is_structured(record);
  NewEvent& event = out.event;
  Headers headers(out, structured);
  for (const log::HeaderView& header : record.headers) BATON_TRY(headers.read(header));
  event.has_data = record.value.has_value();
  const std::string_view value = base::as_text(record.value.value_or(base::ByteView()));
  if (structured) {
    std::string partition_key;
    BATON_TRY(read_structured_event(value, event, EventForm::cloud_event, &partition_key));
    if (!partition_key.empty() && partition_key != base::as_text(record.key.value_or(base::ByteView())))
      return bad("'partitionkey' of the structured CloudEvent is not the key of its record: an event is in the stream that its key names");
  } else {
    event.data = std::string(value);
  }
  if (event.type.empty()) event.type = options.default_type;
  if (event.type.empty()) {
    return bad("header ce_type is missing: it names the event's type, or the context sets baton.default.type");
  }
  if (!event.time) event.time = Time{std::clamp<std::int64_t>(record.client_timestamp, INT64_MIN / kNsPerMs, INT64_MAX / kNsPerMs) * kNsPerMs};
  return {};
}

}  // namespace baton::broker
