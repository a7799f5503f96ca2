#include "broker/retention.h"

namespace baton::broker {

Retention::Retention(store::StoreCore& core, std::int64_t every_ms)
    : core_(core), every_ms_(every_ms), self_(std::make_shared<Retention*>(this)) {
  arm();
}

Retention::~Retention() {
  *self_ = nullptr;
  core_.executor().cancel(timer_);
}

void Retention::arm() {
  timer_ = core_.executor().run_at(core_.env().clock().monotonic_ns() + every_ms_ * 1'000'000, [this] { look(); });
}

// What cannot be removed now may be the next time; a store that has ended keeps what it has.
void Retention::look() {
  core_.run_async(
      [&core = core_, self = self_]() -> Status {
        if (*self == nullptr) return {};
        return core.apply_retention();
      },
      [self = self_](const Status& status) {
        if (*self == nullptr) return;
        const auto& warn = (*self)->core_.options().on_warning;
        if (!(*self)->core_.health()) return;
        if (!status && warn) warn("retention: " + status.error().to_string());
        (*self)->arm();
      });
}

}  // namespace baton::broker
