// Parts of a JSON document as they stand in it: data keeps its bytes through a document that only wraps it.
//
// The text has been parsed by a library before: it is well-formed. What is handed out points into it.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include <baton/result.h>

namespace baton::broker {

// How deep a document may be nested that wraps an event: its data may be nested as deep as data that comes by itself (128), and stands a few levels down.
inline constexpr std::size_t kJsonDepthMax = 128 + 8;

// Calls `visit` for each member of an object. `name` is as it is written: with quotes, and with escapes if it has some.
void each_member(std::string_view object, const std::function<void(std::string_view name, std::string_view value)>& visit);
// invalid_argument when an object has two members of one name, however they are written: whoever parses it would drop one in silence. For
// objects whose names have been looked at, and are few.
[[nodiscard]] Status check_repeats(std::string_view object);
// Calls `visit` for each element of an array.
void each_element(std::string_view array, const std::function<void(std::string_view value)>& visit);
// The value of the last member of that name, however the name is written: the one that a parsed document has. Empty when there is none.
[[nodiscard]] std::string_view member(std::string_view object, std::string_view name);

}  // namespace baton::broker
