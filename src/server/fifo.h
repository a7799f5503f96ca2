// A queue that takes no memory while it is empty and was never used, unlike std::deque: most of 10,000 connections are idle.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

namespace baton::server {

template <typename T>
class Fifo {
 public:
  [[nodiscard]] bool empty() const { return first_ == items_.size(); }
  [[nodiscard]] std::size_t size() const { return items_.size() - first_; }
  [[nodiscard]] T& operator[](std::size_t i) {
    BATON_CHECK(i < size(), "no such item in the queue");
    return items_[first_ + i];
  }
  [[nodiscard]] T& front() { return (*this)[0]; }
  void push(T item) { items_.push_back(std::move(item)); }
  T pop() {
    T out = std::move(front());
    ++first_;
    if (empty()) {
      clear();
    } else if (first_ >= 32 && first_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return out;
  }
  void clear() {
    if (items_.capacity() > kKept) {
      items_ = std::vector<T>();  // `= {}` would keep the memory
    } else {
      items_.clear();
    }
    first_ = 0;
  }

 private:
  static constexpr std::size_t kKept = 16;
  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace baton::server
