// Result<T>: what every operation of Baton returns instead of throwing.
//
// A Result holds either a value or an Error. It is our own small type because the public headers compile as C++20 with
// g++ 12, where std::expected does not exist, and must be the same type in both (docs/decisions/005-error-type.md).
//
//   Result<Store> r = ...;
//   if (!r) return r.error();          // an Error converts to any Result<U>
//   use(*r);
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace baton {

// What went wrong, in a form that a program can act on. The numbers are stable: they are only ever added to.
enum class Code : int {
  invalid_argument = 1,   // the caller's input breaks a rule; the detail names the rule and the place
  not_found = 2,          // no such context, stream, view, file
  already_exists = 3,     // the name is taken
  wrong_version = 4,      // an append condition on a stream does not hold
  condition_failed = 5,   // an event matches the query condition
  duplicate_mismatch = 6, // an event id is known with different content
  partial_duplicate = 7,  // some events of an append are known and some are new; nothing was written
  position_lost = 8,      // a position from an epoch whose tail was lost, or from another store
  too_large = 9,          // over a limit; the detail names the limit and the setting
  no_space = 10,          // the disk is full: appends are refused, reads work
  io_error = 11,          // the operating system refused; the detail has path and reason
  corrupt = 12,           // bytes on disk are not what was written; the detail has file and offset
  store_failed = 13,      // a sync failed: the store has ended and must be opened again
  locked = 14,            // another process has the directory open for writing
  unsupported_format = 15,// written by a newer version; nothing was touched
  read_only = 16,         // opened without the right to write
  timed_out = 17,         // the bound on time was reached; the outcome may be unknown
  cancelled = 18,         // the caller or a close ended it
  resource_exhausted = 19,// a bounded queue or budget is full; retry later
  unavailable = 20,       // cannot be done now, may be later
  incompatible = 21,      // an event or a state has a shape that the reader does not know
  internal = 22,          // a defect in Baton
  fenced = 23,            // another producer with the same id has taken over
  out_of_order = 24,      // a producer's batch before this one is missing
  removed = 25,           // a retention has removed what was to be read; what is left can be read
};

// The stable, lower-case name of a code ("wrong_version").
[[nodiscard]] std::string_view code_name(Code code) noexcept;

struct [[nodiscard]] Error {
  Code code = Code::internal;
  // One or two sentences for a person: what was wrong, where, and what to do.
  std::string detail;

  // "wrong_version: stream ride-7: expected version 3, found 5"
  [[nodiscard]] std::string to_string() const;
};

namespace detail {
[[noreturn]] void bad_result_access(const Error* error) noexcept;  // prints and aborts: a broken invariant
}

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // The value. Asking for it when there is none ends the process.
  T& value() & { check(); return std::get<0>(state_); }
  const T& value() const& { check(); return std::get<0>(state_); }
  T&& value() && { check(); return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // The error. Asking for it when there is a value ends the process.
  Error& error() & { check_error(); return std::get<1>(state_); }
  const Error& error() const& { check_error(); return std::get<1>(state_); }
  Error&& error() && { check_error(); return std::get<1>(std::move(state_)); }

  template <typename U>
  T value_or(U&& other) const& { return ok() ? **this : static_cast<T>(std::forward<U>(other)); }

 private:
  void check() const { if (!ok()) detail::bad_result_access(&std::get<1>(state_)); }
  void check_error() const { if (ok()) detail::bad_result_access(nullptr); }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : failed_(true), error_(std::move(error)) {}
  [[nodiscard]] bool ok() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return ok(); }
  void value() const { if (failed_) detail::bad_result_access(&error_); }
  Error& error() & { check_error(); return error_; }
  const Error& error() const& { check_error(); return error_; }
  Error&& error() && { check_error(); return std::move(error_); }

 private:
  void check_error() const { if (!failed_) detail::bad_result_access(nullptr); }
  bool failed_ = false;
  Error error_;
};

using Status = Result<void>;

}  // namespace baton
