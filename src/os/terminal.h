// What the program was started with: a terminal or a pipe, its environment, its signals. For cli/ and server/ only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "os/env.h"

namespace baton::os {

struct Terminal {
  bool interactive = false;  // a person is looking
  int columns = 80;
};
// Of standard output (1) or standard error (2).
[[nodiscard]] Terminal terminal(int descriptor);

[[nodiscard]] std::optional<std::string> environment_variable(const std::string& name);
[[nodiscard]] std::vector<std::string> environment_names();

// Reads what there is of standard input, from where it stands. Nothing: nothing came within `timeout_ms`, or a signal did; 0: its end.
[[nodiscard]] Result<std::optional<std::size_t>> read_standard_input(base::MutableByteView out, int timeout_ms);
// Standard output is a pipe whose other end is closed.
[[nodiscard]] bool output_closed();

// For a server: memory of large requests, when it is given back, stays with the process up to some MiB, instead of going to the system and coming again page by page
// for the next request.
void keep_freed_memory();

// First of all in a program. A standard stream that is closed gets a descriptor on which all reads and writes fail, so that no file of a store is
// opened under its number and written over by what is printed. A write past the limit on the size of files is an error then, and no signal.
void prepare_program();

// True once SIGINT, SIGTERM or SIGHUP came, after watch_interrupts(). A second one ends the process at once. SIGHUP is left alone where it is ignored (nohup).
void watch_interrupts();
[[nodiscard]] bool interrupted();
// Wakes `waiter` when the first of them comes, or at once when it has come. The waiter (of a PosixEnv) must stay until this is called
// again with another one, or with nullptr.
void wake_on_interrupt(Env::Waiter* waiter);

// When this program was loaded, by Clock::monotonic_ns.
[[nodiscard]] std::int64_t process_start_ns();

}  // namespace baton::os
