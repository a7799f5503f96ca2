// Pages of events, bounded in bytes as well as in number: however large the events are, a page is a small part of the memory.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include <baton/store.h>

namespace baton::gateway {

inline constexpr std::size_t kPageBytes = 4u << 20;
inline constexpr std::size_t kQueryBytes = 16u << 20;  // of the rows of a view

using PutEvent = std::function<void(const Event&)>;

// Each reads up to `request.limit` events, in portions, and gives them to `put`, which writes them to the end of `out`; stops once `bytes_max` bytes are there. The page that
// is returned says where it ended, and holds no events: `written` is their number.
template <typename Page>
struct Written {
  Page page;
  std::size_t events = 0;
};
// A page also ends when many events were looked at and few of them match, so that a filter with few matches does not keep a thread.
[[nodiscard]] Result<Written<ContextPage>> write_context(Store& store, ReadContext request, std::size_t bytes_max, const std::string& out, const PutEvent& put);
[[nodiscard]] Result<Written<StreamPage>> write_stream(Store& store, ReadStream request, std::size_t bytes_max, const std::string& out, const PutEvent& put);

}  // namespace baton::gateway
