// split_by_list: one large fact as several small events.
//
// The JSON text is checked by Boost.JSON, and then cut and joined as text, never printed from a parsed value: numbers that no
// double holds, the spelling of strings and the order of fields come out as they went in.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/store.h>
#include <boost/json.hpp>

#include "base/try.h"

namespace baton {
namespace {

namespace json = boost::json;

Error invalid(std::string detail) { return {Code::invalid_argument, "split by list: " + std::move(detail)}; }

// Over text that is known to be well-formed JSON.
class Cursor {
 public:
  Cursor(std::string_view text, std::size_t at) : text_(text), at_(at) {}
  [[nodiscard]] std::size_t at() const { return at_; }
  char peek() {
    skip_space();
    return text_[at_];
  }
  // True, and behind it, when the next character is `c`.
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // Behind the value that starts here.
  void skip_value() {
    skip_space();
    int depth = 0;
    do {
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        --depth;
        ++at_;
      } else if (depth > 0) {
        ++at_;
      } else {  // a number, true, false or null
        while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(text_[at_]) == std::string_view::npos) ++at_;
      }
    } while (depth > 0);
  }

 private:
  void skip_space() {
    while (std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  void skip_string() {
    for (++at_; text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  std::string_view text_;
  std::size_t at_;
};

struct Range {
  std::size_t begin = 0, end = 0;
  [[nodiscard]] std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

struct Field {
  std::string name;
  Range whole;  // from the quote of the name to the end of the value
  Range value;
};

// A name as it is meant: "l\u0069nes" is lines.
std::string name_of(std::string_view quoted) {
  if (quoted.find('\\') == std::string_view::npos) return std::string(quoted.substr(1, quoted.size() - 2));
  const json::value name = json::parse(quoted);
  return std::string(name.as_string());
}

std::vector<Field> fields_of(std::string_view text, Range object) {
  std::vector<Field> fields;
  Cursor in(text, object.begin);
  in.take('{');
  while (in.peek() != '}') {
    Field field;
    field.whole.begin = in.at();
    in.skip_value();
    field.name = name_of(Range{field.whole.begin, in.at()}.of(text));
    in.take(':');
    in.peek();
    field.value.begin = in.at();
    in.skip_value();
    field.value.end = field.whole.end = in.at();
    fields.push_back(std::move(field));
    in.take(',');
  }
  return fields;
}

std::vector<Range> elements_of(std::string_view text, Range list) {
  std::vector<Range> elements;
  Cursor in(text, list.begin);
  in.take('[');
  while (in.peek() != ']') {
    const std::size_t begin = in.at();
    in.skip_value();
    elements.push_back({begin, in.at()});
    in.take(',');
  }
  return elements;
}

Result<std::optional<std::size_t>> find(const std::vector<Field>& fields, std::string_view name) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name != name) continue;
    if (found) return invalid("the data has the field '" + std::string(name) + "' twice");
    found = i;
  }
  return found;
}

// Where the list is, and what to cut so that the object stays well-formed without it.
struct ListPlace {
  Range list;
  Range cut;
};

Result<ListPlace> find_list(std::string_view text, const std::string& path) {
  Range object{0, text.size()};
  for (std::size_t from = 0;;) {
    const auto dot = path.find('.', from);
    const std::string name = path.substr(from, dot == std::string::npos ? dot : dot - from);
    const auto fields = fields_of(text, object);
    BATON_TRY_ASSIGN(const auto at, find(fields, name));
    if (!at) return invalid("the data has no field '" + path + "'");
    const Field& field = fields[*at];
    if (dot == std::string::npos) {
      if (text[field.value.begin] != '[') return invalid("the field '" + path + "' is not a list");
      if (*at > 0) return ListPlace{field.value, {fields[*at - 1].whole.end, field.whole.end}};
      if (fields.size() > 1) return ListPlace{field.value, {field.whole.begin, fields[1].whole.begin}};
      return ListPlace{field.value, field.whole};
    }
    if (text[field.value.begin] != '{') return invalid("the field '" + path.substr(0, dot) + "' is not an object");
    object = field.value;
    from = dot + 1;
  }
}

Result<std::vector<Field>> carried(std::string_view text, const std::vector<std::string>& names) {
  const auto fields = fields_of(text, {0, text.size()});
  std::vector<Field> result;
  for (const auto& name : names) {
    BATON_TRY_ASSIGN(const auto at, find(fields, name));
    if (!at) return invalid("the data has no field '" + name + "' to carry");
    BATON_TRY_ASSIGN(const auto again, find(result, name));
    if (!again) result.push_back(fields[*at]);
  }
  return result;
}

Result<std::string> item_data(std::string_view text, Range element, std::size_t index, const std::vector<Field>& carry) {
  if (text[element.begin] != '{') return invalid("element " + std::to_string(index) + " of the list is not an object");
  const auto own = fields_of(text, element);
  std::string data = "{";
  const auto add = [&](const Field& field) {
    if (data.size() > 1) data += ',';
    data += field.whole.of(text);
  };
  for (const auto& field : carry) {
    BATON_TRY_ASSIGN(const auto clash, find(own, field.name));
    if (clash) {
      return invalid("element " + std::to_string(index) + " has a field '" + field.name +
                     "' of its own; carrying the one of the head would hide it");
    }
    add(field);
  }
  for (const auto& field : own) add(field);
  return data += '}';
}

bool is_json(std::string_view content_type) {
  const auto type = content_type.substr(0, content_type.find(';'));
  return type.empty() || type.ends_with("/json") || type.ends_with("+json");
}

}  // namespace

Result<std::vector<NewEvent>> split_by_list(const NewEvent& event, const SplitBy& split) {
  if (split.list_field.empty() || split.item_type.empty()) return invalid("list_field and item_type must be given");
  if (!event.has_data || !is_json(event.content_type)) return invalid("the event has no JSON data (its content type is " + event.content_type + ")");
  const std::string_view text = event.data;
  {
    boost::system::error_code error;
    const json::value parsed = json::parse(text, error);
    if (error) return invalid("the data is not JSON: " + error.message());
    if (!parsed.is_object()) return invalid("the data is not a JSON object");
  }
  BATON_TRY_ASSIGN(const auto place, find_list(text, split.list_field));
  BATON_TRY_ASSIGN(const auto carry, carried(text, split.carry));
  const auto elements = elements_of(text, place.list);

  std::vector<NewEvent> events;
  events.reserve(1 + elements.size());
  events.push_back(event);
  events[0].data.erase(place.cut.begin, place.cut.end - place.cut.begin);

  NewEvent item = event;
  item.type = split.item_type;
  if (item.correlation_id.empty()) item.correlation_id = event.id;
  for (std::size_t i = 0; i < elements.size(); ++i) {
    BATON_TRY_ASSIGN(item.data, item_data(text, elements[i], i, carry));
    // Derived from the head's, so that a retry of the whole makes no duplicate.
    if (!event.id.empty()) item.id = event.id + "/" + std::to_string(i + 1);
    events.push_back(item);
  }
  return events;
}

}  // namespace baton
