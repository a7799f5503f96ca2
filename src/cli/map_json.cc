// JsonCells: Boost's parser without its tree, so that a number keeps its digits.
#include <algorithm>
#include <charconv>
#include <limits>

#include <boost/json/basic_parser_impl.hpp>

#include "cli/map_cells.h"

namespace baton::cli {

namespace {

namespace json = boost::json;

// A place in the tree of all wanted paths.
struct Place {
  int cell = -1;  // -1: only what is below is wanted
  struct Child {
    std::string name;
    std::int64_t index;  // the name as an array index; -1: it is none
    int place;
  };
  std::vector<Child> children;
};

constexpr int kNowhere = -1;

}  // namespace

struct JsonCells::Impl {
  struct Found {
    Cell::Kind kind = Cell::Kind::missing;
    std::size_t offset = 0, length = 0;  // in text
  };

  // What basic_parser calls.
  struct Handler {
    static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

    struct Level {
      int place = kNowhere;
      std::int64_t index = -1;  // of the next element; -1: an object
      int next = kNowhere;      // of an object: where the value behind the key goes
    };
    std::vector<Place> places{1};
    std::vector<Found> found;
    std::vector<Level> levels;
    std::string text, key;
    bool object = false;
    std::size_t start = 0;  // in text, of the value that is being read

    void begin() {
      for (auto& f : found) f = {};
      levels.clear();
      text.clear();
      key.clear();
      object = false;
      start = 0;
    }
    [[nodiscard]] int child(int place, std::string_view name) const {
      if (place == kNowhere) return kNowhere;
      for (const auto& c : places[static_cast<std::size_t>(place)].children)
        if (c.name == name) return c.place;
      return kNowhere;
    }
    // Where the value that comes now belongs.
    int enter() {
      if (levels.empty()) return 0;
      auto& level = levels.back();
      if (level.index < 0) return level.next;
      const auto index = level.index++;
      if (level.place == kNowhere) return kNowhere;
      for (const auto& c : places[static_cast<std::size_t>(level.place)].children)
        if (c.index == index) return c.place;
      return kNowhere;
    }
    void forget(int place) {
      const auto& p = places[static_cast<std::size_t>(place)];
      if (p.cell >= 0) found[static_cast<std::size_t>(p.cell)] = {};
      for (const auto& c : p.children) forget(c.place);
    }
    // `keep`: the text from `start` on is the value's.
    int put(Cell::Kind kind, bool keep) {
      const int place = enter();
      if (place != kNowhere) {
        forget(place);
        const auto cell = places[static_cast<std::size_t>(place)].cell;
        if (cell >= 0) found[static_cast<std::size_t>(cell)] = {kind, start, keep ? text.size() - start : 0};
      }
      if (place == kNowhere || !keep) text.resize(start);
      start = text.size();
      return place;
    }

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code&) {
      if (levels.empty()) object = true;
      const int place = put(Cell::Kind::compound, false);
      levels.push_back({.place = place});
      return true;
    }
    bool on_object_end(std::size_t, json::error_code&) {
      levels.pop_back();
      return true;
    }
    bool on_array_begin(json::error_code&) {
      const int place = put(Cell::Kind::compound, false);
      levels.push_back({.place = place, .index = 0});
      return true;
    }
    bool on_array_end(std::size_t, json::error_code&) {
      levels.pop_back();
      return true;
    }
    bool on_key_part(json::string_view s, std::size_t, json::error_code&) {
      key.append(s.data(), s.size());
      return true;
    }
    bool on_key(json::string_view s, std::size_t, json::error_code&) {
      key.append(s.data(), s.size());
      levels.back().next = child(levels.back().place, key);
      key.clear();
      return true;
    }
    bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
      text.append(s.data(), s.size());
      return true;
    }
    bool on_string(json::string_view s, std::size_t, json::error_code&) {
      text.append(s.data(), s.size());
      put(Cell::Kind::text, true);
      return true;
    }
    bool on_number_part(json::string_view s, json::error_code&) {
      text.append(s.data(), s.size());
      return true;
    }
    bool number(json::string_view s) {
      text.append(s.data(), s.size());
      put(Cell::Kind::number, true);
      return true;
    }
    bool on_int64(std::int64_t, json::string_view s, json::error_code&) { return number(s); }
    bool on_uint64(std::uint64_t, json::string_view s, json::error_code&) { return number(s); }
    bool on_double(double, json::string_view s, json::error_code&) { return number(s); }
    bool on_bool(bool b, json::error_code&) {
      text += b ? "true" : "false";
      put(Cell::Kind::boolean, true);
      return true;
    }
    bool on_null(json::error_code&) {
      put(Cell::Kind::null, false);
      return true;
    }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }
  };

  static json::parse_options options() {
    json::parse_options out;
    out.max_depth = 64;
    return out;
  }
  json::basic_parser<Handler> parser{options()};
};

JsonCells::JsonCells(const std::vector<std::string>& paths) : impl_(std::make_unique<Impl>()) {
  auto& handler = impl_->parser.handler();
  handler.found.resize(paths.size());
  for (std::size_t i = 0; i < paths.size(); ++i) {
    int at = 0;
    std::string_view rest = paths[i];
    for (bool more = true; more;) {
      const auto dot = rest.find('.');
      const auto name = rest.substr(0, dot);
      more = dot != std::string_view::npos;
      if (more) rest.remove_prefix(dot + 1);
      int next = handler.child(at, name);
      if (next == kNowhere) {
        std::int64_t index = -1;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
        if (error != std::errc() || end != name.data() + name.size() || index < 0 || std::to_string(index) != name) index = -1;
        next = static_cast<int>(handler.places.size());
        handler.places[static_cast<std::size_t>(at)].children.push_back({std::string(name), index, next});
        handler.places.emplace_back();
      }
      at = next;
    }
    handler.places[static_cast<std::size_t>(at)].cell = static_cast<int>(i);  // a path is given once
  }
}

JsonCells::~JsonCells() = default;
JsonCells::JsonCells(JsonCells&&) noexcept = default;
JsonCells& JsonCells::operator=(JsonCells&&) noexcept = default;

std::string JsonCells::extract(std::string_view text, std::vector<Cell>& cells) {
  auto& handler = impl_->parser.handler();
  handler.begin();
  impl_->parser.reset();
  json::error_code error;
  const auto used = impl_->parser.write_some(false, text.data(), text.size(), error);
  const bool ended = used == text.size() || text.find_first_not_of(" \t\r\n", used) == std::string_view::npos;
  cells.clear();
  if (error || !ended) return "not JSON from byte " + std::to_string(used) + " on";
  if (!handler.object) return "not a JSON object";
  for (const auto& found : handler.found) cells.push_back({found.kind, std::string_view(handler.text).substr(found.offset, found.length)});
  return {};
}

}  // namespace baton::cli
