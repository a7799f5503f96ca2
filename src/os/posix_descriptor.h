// A descriptor of the real machine that is closed at the end of its scope.
#pragma once

#include <unistd.h>

#include <utility>

namespace baton::os {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}  // negative: none
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return value_; }
  [[nodiscard]] int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

}  // namespace baton::os
