#include "gateway/event_pages.h"

#include <algorithm>

#include "base/try.h"

namespace baton::gateway {
namespace {

constexpr std::size_t kFirstPortion = 4;        // until it is known how large events are
constexpr std::size_t kExaminedMax = 100'000;   // events of one portion

// How many events to read next.
class Portions {
 public:
  Portions(std::size_t limit, std::size_t bytes_max, const std::string& out) : limit_(limit), bytes_max_(bytes_max), out_(out), from_(out.size()) {}
  [[nodiscard]] std::size_t next() const {
    const auto left = limit_ - events_;
    if (events_ == 0) return std::min(left, kFirstPortion);
    const auto room = bytes_max_ - std::min(bytes_max_, written());
    return std::clamp<std::size_t>(room / std::max<std::size_t>(written() / events_, 1), 1, left);
  }
  // So many have been written. Whether there is room for more.
  [[nodiscard]] bool add(std::size_t events) {
    events_ += events;
    return events_ < limit_ && written() < bytes_max_;
  }
  [[nodiscard]] std::size_t events() const { return events_; }

 private:
  [[nodiscard]] std::size_t written() const { return out_.size() - from_; }
  const std::size_t limit_, bytes_max_;
  const std::string& out_;
  const std::size_t from_;
  std::size_t events_ = 0;
};

}  // namespace

Result<Written<ContextPage>> write_context(Store& store, ReadContext request, std::size_t bytes_max, const std::string& out, const PutEvent& put) {
  Portions portions(request.limit, bytes_max, out);
  request.examined_max = kExaminedMax;
  std::int64_t removed = 0;
  while (true) {
    request.limit = portions.next();
    BATON_TRY_ASSIGN(auto page, store.read_context(request));
    page.removed = removed += page.removed;
    const bool whole = page.events.size() == request.limit;
    for (const auto& event : page.events) put(event);
    const bool room = portions.add(page.events.size());
    page.events = {};
    if (page.at_end || !whole || !room) return Written<ContextPage>{std::move(page), portions.events()};
    request.after = page.next;
  }
}

Result<Written<StreamPage>> write_stream(Store& store, ReadStream request, std::size_t bytes_max, const std::string& out, const PutEvent& put) {
  Portions portions(request.limit, bytes_max, out);
  while (true) {
    request.limit = portions.next();
    BATON_TRY_ASSIGN(auto page, store.read_stream(request));
    for (const auto& event : page.events) put(event);
    const bool room = portions.add(page.events.size());
    page.events = {};
    if (!page.next_version || !room) return Written<StreamPage>{std::move(page), portions.events()};
    request.from_version = *page.next_version;
  }
}

}  // namespace baton::gateway
