// A store that is opened read-only: beside a writer of this or another process, or without one. It writes nothing.
#pragma once

#include <memory>
#include <string>

#include <baton/result.h>
#include <baton/store.h>

#include "os/env.h"

namespace baton::store {

// not_found, unavailable (the tail may have been lost: open it for writing once), unsupported_format. `env` outlives it.
[[nodiscard]] Result<std::unique_ptr<Store>> open_read_only(std::unique_ptr<os::Env> env, const std::string& directory,
                                                            const Options& options);
[[nodiscard]] Result<std::unique_ptr<Store>> open_read_only(os::Env& env, const std::string& directory, const Options& options);

}  // namespace baton::store
