// A Store beside a server that has the directory open: reads come from the files (read_only_store.h), everything that writes goes to the server.
#pragma once

#include <memory>
#include <string>

#include <baton/store.h>

#include "os/env.h"

namespace baton::store {

// unavailable: no server listens in `directory`.
[[nodiscard]] Result<std::unique_ptr<Store>> open_beside_server(std::unique_ptr<os::Env> env, const std::string& directory, const Options& options);

}  // namespace baton::store
