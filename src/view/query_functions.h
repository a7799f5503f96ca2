// SQLite's functions of text whose one call may take far longer than its values are long: a query gets ones of ours that give the same and
// end with its allowance.
#pragma once

#include <string_view>

#include <baton/result.h>

#include "view/sqlite.h"

namespace baton::view {

// instr, replace, trim, ltrim, rtrim, printf and format; and LIKE and GLOB, unless `sql` compares with prefixes only ('abc%'): those cost little, and SQLite finds
// them in an index as long as LIKE and GLOB are its own. The connection keeps the functions.
[[nodiscard]] Status give_query_functions(Database& db, std::string_view sql);

}  // namespace baton::view
