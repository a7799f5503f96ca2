// What the program was started with: a terminal or a pipe, its environment, its signals. For cli/ only.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace baton::os {

struct Terminal {
  bool interactive = false;  // a person is looking
  int columns = 80;
};
// Of standard output (1) or standard error (2).
[[nodiscard]] Terminal terminal(int descriptor);

[[nodiscard]] std::optional<std::string> environment_variable(const std::string& name);

// True once SIGINT or SIGTERM came, after watch_interrupts(). A second one ends the process at once.
void watch_interrupts();
[[nodiscard]] bool interrupted();

}  // namespace baton::os
