// What the generated headers of messages include.
//
// Requests point into the frame that they were read from, which must outlive them; responses own what they hold, except
// records. Fields that a version does not have keep their defaults.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/wire/types.h"

namespace baton::kafka::wire {

class Decoder;
class Encoder;
class JsonText;

}  // namespace baton::kafka::wire
