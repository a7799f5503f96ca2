#include <charconv>
#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "store/event_codec.h"

namespace baton::store {
namespace {

// The headers that have a field of their own. A bit each, so that one which is there twice is seen.
enum Field : std::uint32_t {
  kId = 1u << 0,
  kSource = 1u << 1,
  kType = 1u << 2,
  kTime = 1u << 3,
  kSubject = 1u << 4,
  kTenant = 1u << 5,
  kCorrelation = 1u << 6,
  kCausation = 1u << 7,
  kTraceparent = 1u << 8,
  kContentType = 1u << 9,
  kVersion = 1u << 10,
  kSystem = 1u << 11,
  kSpecVersion = 1u << 12,
  kTag = 1u << 13,
};

// Which field a header is, 0 for another header. Length and fourth letter leave one name to compare with.
std::uint32_t field_of(std::string_view name) {
  const auto is = [&](std::string_view wanted, Field field) { return name == wanted ? std::uint32_t{field} : 0u; };
  switch (name.size()) {
    case 5: return is("ce_id", kId);
    case 7: return name[4] == 'y' ? is("ce_type", kType) : is("ce_time", kTime);
    case 9: return name[3] == 'o' ? is("baton-tag", kTag) : name[3] == 's' ? is("ce_source", kSource) : is("ce_tenant", kTenant);
    case 10: return is("ce_subject", kSubject);
    case 12: return name[0] == 'c' ? is("content-type", kContentType) : is("baton-system", kSystem);
    case 13: return is("baton-version", kVersion);
    case 14:
      return name[3] == 's'   ? is("ce_specversion", kSpecVersion)
             : name[3] == 'c' ? is("ce_causationid", kCausation)
                              : is("ce_traceparent", kTraceparent);
    case 16: return is("ce_correlationid", kCorrelation);
    default: return 0;
  }
}

bool parse_version(std::string_view text, std::int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

std::string_view value_text(const log::HeaderView& header) { return header.value ? base::as_text(*header.value) : std::string_view(); }

}  // namespace

EventDecoder::EventDecoder(std::string context, const PositionContext* place, log::PartitionId partition)
    : context_(std::move(context)), place_(place), partition_(partition) {}

// Returns null, or what is wrong.
const char* EventDecoder::read_headers(std::span<const log::HeaderView> headers, EventView& out) {
  std::uint32_t seen = 0;
  bool known_spec = true;
  tags_.clear();
  headers_.clear();
  for (const auto& header : headers) {
    const std::uint32_t field = field_of(header.key);
    const std::string_view value = value_text(header);
    if ((seen & field & ~kTag) != 0) return "it has an attribute twice";
    seen |= field;
    switch (field) {
      case kId: out.id = value; break;
      case kSource: out.source = value; break;
      case kType: out.type = bare_type(context_, value); break;
      case kTime: out.time_text = value; break;
      case kSubject: out.subject = value; break;
      case kTenant: out.tenant = value; break;
      case kCorrelation: out.correlation_id = value; break;
      case kCausation: out.causation_id = value; break;
      case kTraceparent: out.traceparent = value; break;
      case kContentType: out.content_type = value; break;
      case kVersion:
        if (!parse_version(value, out.version)) return "its baton-version is not a version";
        break;
      case kSystem: out.system = value; break;
      case kSpecVersion: known_spec = value == "1.0"; break;
      case kTag: tags_.push_back(value); break;
      default: headers_.push_back({header.key, value});
    }
  }
  if (!known_spec) return "its ce_specversion is not 1.0";
  if (out.type.empty()) return "it has no ce_type";
  if (out.id.empty() || out.source.empty()) return "it has no ce_id or no ce_source";
  if (out.system.empty() != ((seen & kVersion) != 0)) return "an event has a baton-version, and a system record has none";
  if (!out.system.empty() && out.system != "deleted" && !truncated_before(out.system)) return "its baton-system is not known";
  return nullptr;
}

Status EventDecoder::decode(const log::RecordView& record, log::Epoch epoch, EventView& out) {
  out = EventView{};
  if (!record.key || record.key->empty()) return refuse(record, "it has no key, and so no stream");
  if (const char* wrong = read_headers(record.headers, out)) return refuse(record, wrong);
  out.context = context_;
  out.stream = base::as_text(*record.key);
  out.offset = record.offset.value();
  out.partition = partition_.value();
  out.epoch = epoch.value();
  out.recorded_ms = record.timestamp;
  out.has_data = record.value.has_value();
  if (record.value) out.data = base::as_text(*record.value);
  out.tags = tags_.data();
  out.tag_count = tags_.size();
  out.raw_headers = headers_.data();
  out.raw_header_count = headers_.size();
  out.position_context = place_;
  return {};
}

Error EventDecoder::refuse(const log::RecordView& record, std::string_view what) const {
  std::string detail = "context " + context_ + ", partition " + std::to_string(partition_.value()) + ", offset " +
                       std::to_string(record.offset.value());
  if (record.key && !record.key->empty()) (detail += ", stream ") += base::as_text(*record.key);
  ((detail += ": the record is not an event that this version can read: ") += what) += '.';
  return {Code::incompatible, std::move(detail)};
}

Time event_time(const EventView& event) {
  if (const auto ns = base::parse_rfc3339_ns(event.time_text)) return Time{*ns};
  return Time{event.recorded_ms * 1'000'000};
}

std::optional<std::int64_t> truncated_before(std::string_view system) {
  constexpr std::string_view kPrefix = "truncated:";
  std::int64_t version = 0;
  if (!system.starts_with(kPrefix) || !parse_version(system.substr(kPrefix.size()), version)) return std::nullopt;
  return version;
}

}  // namespace baton::store
