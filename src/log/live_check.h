// What the live marks vouch for when their writer is no more: a process that died left its files as they were, as long as the machine has not
// been started again. What it had in its catalogue and its journal must be there, and damage that looks like an end is not taken for one (F9).
#pragma once

#include <string>

#include <baton/result.h>

#include "log/catalogue.h"
#include "log/live_marks.h"
#include "log/recovery.h"
#include "os/env.h"

namespace baton::log {

// corrupt: the catalogue is shorter than its writer had made it. Beside a writer, for one that was read after `live`.
[[nodiscard]] Status check_catalogue_end(const LiveHeader& live, const Catalogue& catalogue);
// corrupt: that, or a partition ends before what was durable, as with a journal that lacks its last rounds. Marks of another boot, or of a writer that has
// failed (which may have taken back its last record), say nothing. [owner] while nobody writes.
[[nodiscard]] Status check_live(os::Env& env, const std::string& directory, const Catalogue& catalogue, const RecoveredStore& store);

}  // namespace baton::log
