// Any bytes as a view file, as SQL with parameters, and as an event's data. Nothing may crash; what is accepted keeps its promises.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "view/json_fields.h"
#include "view/sql_text.h"
#include "view/statements.h"
#include "view/view_file.h"

namespace {

using namespace baton;

void view_file(std::string_view text) {
  auto views = view::parse_view_file(text, "fuzz.yaml");
  if (!views) return;
  static const auto env = os::make_posix_env();
  static const view::Vfs vfs(*env);
  for (const auto& v : *views) {
    auto again = view::parse_view_file(v.json, "canonical");
    // Invalid UTF-8 does not survive YAML; a generation would refuse to open, so such a view must not be made.
    if (!view::check_view(vfs, v)) continue;
    BATON_CHECK(again.ok(), "the canonical text of a view is no view file");
    BATON_CHECK(again->front().digest == v.digest, "the canonical text of a view has another digest");
  }
}

void sql(std::string_view text) {
  (void)view::split_statements(text);
  (void)view::impure_word(text);
  auto numbered = view::number_parameters(text);
  if (!numbered) return;
  // What is left has no parameters of ours: numbering once more must refuse the numbers, or change nothing.
  auto again = view::number_parameters(numbered->sql);
  BATON_CHECK(again.ok() == numbered->parameters.empty(), "a parameter was left, or something else was taken for one");
}

void json(std::string_view text) {
  view::JsonFields fields;
  const auto a = fields.add({"a"});
  const auto b = fields.add({"a", "b"});
  const auto c = fields.add({"0", "1"});
  const auto all = view::JsonFields().extract(text);
  const auto some = fields.extract(text);
  BATON_CHECK(all.ok() == some.ok(), "whether text is JSON depends on the fields");
  std::size_t bytes = fields[a].text.size() + fields[b].text.size() + fields[c].text.size();
  BATON_CHECK(bytes <= 3 * text.size(), "a value is longer than the JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: view_file(text); break;
    case 1: sql(text); break;
    default: json(text); break;
  }
  return 0;
}
