// The embedded adapter: the engine over a store in this process.
#pragma once

#include <memory>

#include "engine/engine.h"

namespace baton::engine {

// `store` outlives the engine.
[[nodiscard]] std::unique_ptr<Engine> make_embedded(Store& store);

}  // namespace baton::engine
