// Request: one call that writes, on its way through the store: accepted on any thread, decided and answered on the store's executor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <baton/store.h>

namespace baton::store {

struct Request {
  enum class Kind { append, delete_stream, truncate_stream };
  Kind kind = Kind::append;
  Append append;                      // delete and truncate: one stream with its condition and no events
  std::int64_t before_version = 0;    // truncate_stream
  AppendDone done;
  std::size_t bytes = 0;              // what it counts for in the bound on what is pending
  std::optional<Result<Appended>> result;  // once decided; handed out when the round has ended
};

// What a request holds in memory, about.
[[nodiscard]] std::size_t request_bytes(const Append& append);

}  // namespace baton::store
