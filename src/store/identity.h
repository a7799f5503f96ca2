// When two events are one (design rule 4; docs/formats/event.md, "Identity and equality"). The hash of an identity is id_hash (index_entry.h).
#pragma once

#include <string>
#include <string_view>

#include <baton/event.h>

namespace baton::store {

// "/contexts/<name>": what `source` is when an event gives none.
[[nodiscard]] std::string default_source(std::string_view context);

// Equal type (in its bare form), data (and whether there is any), and set of tags. Times and other attributes do not count.
[[nodiscard]] bool same_content(std::string_view context, const EventView& stored, const NewEvent& given);
[[nodiscard]] bool same_content(std::string_view context, const NewEvent& a, const NewEvent& b);

}  // namespace baton::store
