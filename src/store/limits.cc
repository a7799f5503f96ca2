#include "store/limits.h"

#include <algorithm>
#include <string>

#include "base/bytes.h"
#include "base/try.h"
#include "log/batch.h"
#include "store/partitioner.h"

namespace baton::store {
namespace {

constexpr std::size_t kContextNameBytesMax = 63;

Error invalid(std::string detail) { return {Code::invalid_argument, std::move(detail)}; }

// The text of a name that may be anything, short enough for a message.
std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  if (!valid_utf8(text)) return "(not UTF-8, " + std::to_string(text.size()) + " bytes)";
  if (text.size() <= kShown) return "'" + std::string(text) + "'";
  std::size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return "'" + std::string(text.substr(0, cut)) + "...'";
}

// A text of `min`..255 bytes of UTF-8. `where` is made only for an error.
template <typename Where>
Status check_text(std::string_view text, std::size_t min, std::size_t max, const Where& where) {
  if (text.size() < min) return invalid(where() + " is empty: give 1 to " + std::to_string(max) + " bytes of UTF-8");
  if (text.size() > max) {
    return Error{Code::too_large, where() + " has " + std::to_string(text.size()) + " bytes; at most " + std::to_string(max) + " are allowed"};
  }
  if (!valid_utf8(text)) return invalid(where() + " is not UTF-8");
  return {};
}

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; }

// The length of the UTF-8 sequence at the front of `text` (not empty, not ASCII), 0 when it is not well-formed: Unicode, table 3-7.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    return follows(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    return follows(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

template <typename Where>
Status check_types(const std::vector<std::string>& types, const Where& where) {
  if (types.size() > kTypesMax) return invalid(where() + " names " + std::to_string(types.size()) + " types; at most 16 are allowed");
  for (const auto& type : types) BATON_TRY(check_text(type, 1, kNameBytesMax, [&] { return where() + ", a type"; }));
  return {};
}

template <typename Where>
Status check_tags(const std::vector<std::string>& tags, const Where& where) {
  if (tags.size() > kTagsMax) return invalid(where() + " has " + std::to_string(tags.size()) + " tags; at most 16 are allowed");
  for (const auto& tag : tags) {
    if (auto checked = check_tag(tag); !checked) return Error{checked.error().code, where() + ", " + checked.error().detail};
  }
  return {};
}

Status check_headers(const NewEvent& event, const std::string& where) {
  if (event.headers.size() > kHeadersMax) {
    return invalid(where + " has " + std::to_string(event.headers.size()) + " headers; at most 64 are allowed");
  }
  std::size_t bytes = 0;
  for (const auto& header : event.headers) {
    if (header.name.empty() || !valid_utf8(header.name)) return invalid(where + " has a header whose name is empty or not UTF-8");
    if (header.name.starts_with("ce_") || header.name.starts_with("baton-") || header.name == "content-type") {
      return invalid(where + ", header " + quoted(header.name) +
                     ": names that start with ce_ or baton-, and content-type, belong to the envelope; use the event's own fields");
    }
    bytes += header.name.size() + header.value.size();
  }
  if (bytes > kHeaderBytesMax) {
    return Error{Code::too_large, where + ": its headers have " + std::to_string(bytes) + " bytes of names and values; at most 4096 are allowed"};
  }
  return {};
}

// The bytes of an event in its batch, at least: what is not known before the batch is built is left out.
std::size_t bytes_at_least(const StreamAppend& stream, const NewEvent& event) {
  std::size_t bytes = stream.stream.size() + event.data.size() + event.type.size();
  for (const auto& header : event.headers) bytes += header.name.size() + header.value.size();
  return bytes;
}

}  // namespace

bool valid_utf8(std::string_view text) {
  while (!text.empty()) {
    // Eight ASCII bytes at a time: nearly all text is.
    if (text.size() >= 8 && (base::load_le<std::uint64_t>(text.data()) & 0x8080808080808080U) == 0) {
      text.remove_prefix(8);
      continue;
    }
    std::size_t length = 1;
    if ((static_cast<unsigned char>(text[0]) & 0x80) != 0 && (length = sequence_length(text)) == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

bool is_context_name(std::string_view name) {
  return !name.empty() && name.size() <= kContextNameBytesMax && name[0] >= 'a' && name[0] <= 'z' && std::ranges::all_of(name, is_name_char);
}

Status check_context_name(std::string_view name) {
  if (is_context_name(name)) return {};
  return invalid("context " + quoted(name) + ": a name is 1 to 63 of a-z, 0-9, _ and -, and starts with a letter");
}

Status check_stream_name(std::string_view stream) {
  return check_text(stream, 1, kNameBytesMax, [&] { return "the stream name " + quoted(stream); });
}

Status check_tag(std::string_view tag) {
  BATON_TRY(check_text(tag, 1, kTagBytesMax, [&] { return "tag " + quoted(tag); }));
  const auto colon = tag.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == tag.size()) {
    return invalid("tag " + quoted(tag) + ": a tag is name:value, and neither is empty");
  }
  return {};
}

Status check_context_options(const ContextOptions& options) {
  if (options.partitions < 1 || options.partitions > static_cast<std::int32_t>(kPartitionsMax)) {
    return invalid("partitions is " + std::to_string(options.partitions) + "; 1 to " + std::to_string(kPartitionsMax) + " are allowed");
  }
  if (!parse_partitioner(options.partitioner)) {
    return invalid("partitioner " + quoted(options.partitioner) + ": it is one of murmur2 (Java clients), crc32 (librdkafka) and fnv1a (sarama)");
  }
  if (options.data_bytes_max < 1 || options.data_bytes_max > log::kEventBatchBytesMax) {
    return invalid("data_bytes_max is " + std::to_string(options.data_bytes_max) + "; 1 to 1048576 are allowed");
  }
  if (!options.default_type.empty()) BATON_TRY(check_text(options.default_type, 1, kNameBytesMax, [] { return std::string("default_type"); }));
  if (options.retention_ms && *options.retention_ms < 0) return invalid("retention_ms is negative; leave it out to keep events for ever");
  if (options.retention_bytes && *options.retention_bytes < 0) return invalid("retention_bytes is negative; leave it out to keep events for ever");
  if ((options.retention_ms || options.retention_bytes) && !options.history_deletable) {
    return invalid("a context keeps its history: retention_ms and retention_bytes need history_deletable");
  }
  return {};
}

Status check_query(const Query& query) {
  if (query.items.empty()) return invalid("the query condition has no item: it would match nothing; leave the condition out instead");
  if (query.items.size() > kQueryItemsMax) {
    return invalid("the query has " + std::to_string(query.items.size()) + " items; at most 16 are allowed");
  }
  for (std::size_t i = 0; i < query.items.size(); ++i) {
    const auto& item = query.items[i];
    const auto where = [&] { return "query item " + std::to_string(i); };
    if (item.types.empty() && item.tags.empty()) return invalid(where() + " names neither a type nor a tag");
    BATON_TRY(check_types(item.types, where));
    BATON_TRY(check_tags(item.tags, where));
  }
  return {};
}

Status check_filter(const Filter& filter) {
  const auto where = [] { return std::string("the filter"); };
  BATON_TRY(check_types(filter.types, where));
  BATON_TRY(check_tags(filter.tags, where));
  const auto check = [](std::string_view text, const char* what) {
    return check_text(text, 0, kNameBytesMax, [&] { return std::string("the filter's ") + what; });
  };
  BATON_TRY(check(filter.category, "category"));
  BATON_TRY(check(filter.tenant, "tenant"));
  return check(filter.stream_prefix, "stream prefix");
}

Status check_as_of(const AsOf& as_of) {
  if (int{as_of.position.has_value()} + int{as_of.recorded.has_value()} + int{as_of.time.has_value()} > 1) {
    return invalid("as of: give one of a position, an append time (recorded) and an event time, not several");
  }
  return {};
}

Status check_expect(const Expect& expect) {
  if (expect.kind == Expect::Kind::exact && expect.version < 0) {
    return invalid("expected version " + std::to_string(expect.version) + ": versions start at 0; an empty stream is 'no stream'");
  }
  return {};
}

namespace {

Status check_has_data(const NewEvent& event, std::size_t index) {
  if (event.has_data || event.data.empty()) return {};
  return invalid("event " + std::to_string(index) + ": it has data, and has_data is false");
}

}  // namespace

Status check_event(const NewEvent& event, std::size_t index, const ContextOptions& context) {
  const auto where = [&] { return "event " + std::to_string(index); };
  const auto check = [&](std::string_view text, std::size_t min, const char* field) {
    return check_text(text, min, kNameBytesMax, [&] { return where() + ": its " + field; });
  };
  BATON_TRY(check(event.type, 1, "type"));
  BATON_TRY(check(event.id, 0, "id"));
  BATON_TRY(check(event.source, 0, "source"));
  BATON_TRY(check(event.content_type, 0, "content type"));
  BATON_TRY(check(event.tenant, 0, "tenant"));
  BATON_TRY(check(event.correlation_id, 0, "correlation id"));
  BATON_TRY(check(event.causation_id, 0, "causation id"));
  BATON_TRY(check(event.traceparent, 0, "traceparent"));
  BATON_TRY(check(event.subject, 0, "subject"));
  if (event.type.starts_with("baton.")) {
    return invalid(where() + ": its type " + quoted(event.type) + ": types that start with baton. belong to the store");
  }
  BATON_TRY(check_has_data(event, index));
  if (event.data.size() > context.data_bytes_max) {
    return Error{Code::too_large, where() + ": its data has " + std::to_string(event.data.size()) + " bytes; the context allows " +
                                      std::to_string(context.data_bytes_max) +
                                      " (setting data_bytes_max). Split it by a list field into smaller events (split_by_list), or raise the setting"};
  }
  BATON_TRY(check_tags(event.tags, where));
  return event.headers.empty() ? Status() : check_headers(event, where());
}

Status check_has_data(const Append& request) {
  std::size_t number = 0;
  for (const auto& stream : request.streams) {
    for (const auto& event : stream.events) {
      if (auto checked = check_has_data(event, number++); !checked) {
        return Error{checked.error().code, "stream " + quoted(stream.stream) + ", " + checked.error().detail};
      }
    }
  }
  return {};
}

Status check_append(const Append& request, const ContextOptions& context, std::size_t bytes_max) {
  BATON_TRY(check_context_name(request.context));
  if (request.streams.empty()) return invalid("the append names no stream");
  std::size_t events = 0;
  std::size_t bytes = log::kBatchHeaderBytes;
  for (const auto& stream : request.streams) {
    BATON_TRY(check_stream_name(stream.stream));
    if (auto checked = check_expect(stream.condition); !checked) {
      return Error{checked.error().code, "stream " + quoted(stream.stream) + ": " + checked.error().detail};
    }
    for (const auto& event : stream.events) {
      if (auto checked = check_event(event, events, context); !checked) {
        return Error{checked.error().code, "stream " + quoted(stream.stream) + ", " + checked.error().detail};
      }
      ++events;
      bytes += bytes_at_least(stream, event);
    }
  }
  if (events == 0) return invalid("the append has no event");
  if (events > kEventsPerAppendMax) {
    return Error{Code::too_large, "the append has " + std::to_string(events) + " events; at most 65536 are allowed"};
  }
  BATON_TRY(check_batch_bytes(bytes, bytes_max));
  const auto check = [](std::string_view text, const char* what) {
    return check_text(text, 0, kNameBytesMax, [&] { return std::string("the request's ") + what; });
  };
  BATON_TRY(check(request.correlation_id, "correlation id"));
  BATON_TRY(check(request.causation_id, "causation id"));
  BATON_TRY(check(request.tenant, "tenant"));
  BATON_TRY(check(request.traceparent, "traceparent"));
  if (request.unless) {
    if (context.partitions != 1) {
      return invalid("a query condition needs a context with one partition; " + request.context + " has " +
                     std::to_string(context.partitions) + " (setting partitions, fixed when the context is made)");
    }
    BATON_TRY(check_query(request.unless->query));
  }
  return {};
}

Status check_batch_bytes(std::size_t bytes, std::size_t bytes_max) {
  if (bytes <= bytes_max) return {};
  return Error{Code::too_large, "the append has " + std::to_string(bytes) + " bytes as one batch; at most " + std::to_string(bytes_max) +
                                    " can be appended atomically: append fewer events at a time; one alone must fit with its names, tags and headers"};
}

std::string_view category_of(std::string_view stream) { return stream.substr(0, stream.find('-')); }

}  // namespace baton::store
