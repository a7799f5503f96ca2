// Retention: looks again and again for segments that their topics' settings let go, and removes them.
//
// Lives on the store's executor: made, and destroyed, there.
#pragma once

#include <cstdint>
#include <memory>

#include "store/store_core.h"

namespace baton::broker {

class Retention {
 public:
  Retention(store::StoreCore& core, std::int64_t every_ms);
  ~Retention();
  Retention(const Retention&) = delete;
  Retention& operator=(const Retention&) = delete;

 private:
  void arm();
  void look();

  store::StoreCore& core_;
  const std::int64_t every_ms_;
  os::TimerId timer_ = 0;
  std::shared_ptr<Retention*> self_;  // null in it once this is gone: for a look that is under way then
};

}  // namespace baton::broker
