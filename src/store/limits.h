// The shape and limits of what callers hand in: the first of the checks of an append (docs/formats/event.md, "Order of checks"), which
// looks at nothing but the request. Every error names the place (stream, event, field), the rule, and the setting if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <baton/event.h>
#include <baton/result.h>
#include <baton/store.h>

namespace baton::store {

inline constexpr std::size_t kNameBytesMax = 255;         // stream, type, id, source, and each text attribute
inline constexpr std::size_t kTagsMax = 16;               // an event, a query item, a filter
inline constexpr std::size_t kTagBytesMax = 128;
inline constexpr std::size_t kHeadersMax = 64;            // others than the envelope's
inline constexpr std::size_t kHeaderBytesMax = 4096;      // their names and values together
inline constexpr std::size_t kQueryItemsMax = 16;
inline constexpr std::size_t kTypesMax = 16;              // of a query item
inline constexpr std::size_t kEventsPerAppendMax = 65'536;
inline constexpr std::size_t kPartitionsMax = 2'048;
inline constexpr std::size_t kSnapshotBytesMax = 16u << 20;

// Well-formed UTF-8 (Unicode, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool valid_utf8(std::string_view text);

[[nodiscard]] bool is_context_name(std::string_view name);            // [a-z][a-z0-9_-]{0,62}

// All give invalid_argument, or too_large when a size is over a limit.
[[nodiscard]] Status check_context_name(std::string_view name);
[[nodiscard]] Status check_stream_name(std::string_view stream);      // UTF-8, 1..255 bytes
[[nodiscard]] Status check_tag(std::string_view tag);                 // name:value, both not empty, at most 128 bytes
[[nodiscard]] Status check_context_options(const ContextOptions& options);
[[nodiscard]] Status check_query(const Query& query);                 // an item names a type or a tag
[[nodiscard]] Status check_filter(const Filter& filter);
[[nodiscard]] Status check_as_of(const AsOf& as_of);                  // at most one of the three
[[nodiscard]] Status check_expect(const Expect& expect);

// `index`: of the event in its append, for the message.
[[nodiscard]] Status check_event(const NewEvent& event, std::size_t index, const ContextOptions& context);
// That no event has data and says that it has none: known before the context is.
[[nodiscard]] Status check_has_data(const Append& request);
// The whole request: names, every event, conditions, counts, and the size as far as it is known before the batch is built.
// `unless` is refused for a context of more than one partition (rule 6).
// `bytes_max`: of the batch, log::kEventBatchBytesMax or kProducedBatchBytesMax.
[[nodiscard]] Status check_append(const Append& request, const ContextOptions& context, std::size_t bytes_max);
// For the size of a built batch: too_large.
[[nodiscard]] Status check_batch_bytes(std::size_t bytes, std::size_t bytes_max);

// The part of a stream name before the first '-'; all of it when there is none.
[[nodiscard]] std::string_view category_of(std::string_view stream);

}  // namespace baton::store
