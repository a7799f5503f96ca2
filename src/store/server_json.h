// What a program and the server on its machine say to each other, in the JSON of the HTTP API (docs/http.md): the program's half.
#pragma once

#include <string>
#include <string_view>

#include <baton/result.h>
#include <baton/store.h>

#include "store/server_client.h"

namespace baton::store {

[[nodiscard]] std::string percent_encoded(std::string_view text);

// The body of POST /contexts/{context}/append. Data goes in Base64, so that its bytes stay as they are.
[[nodiscard]] std::string append_json(const Append& append);
[[nodiscard]] std::string options_json(const ContextOptions& options);

// What the answers say. An error has the code and the detail that the server gave it.
[[nodiscard]] Status status_of(Result<ServerAnswer> answer);
[[nodiscard]] Result<Appended> appended_of(Result<ServerAnswer> answer);
[[nodiscard]] Result<Position> position_of(Result<ServerAnswer> answer);

}  // namespace baton::store
