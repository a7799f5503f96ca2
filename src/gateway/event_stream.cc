#include "gateway/event_stream.h"

#include <atomic>
#include <optional>
#include <string_view>

#include "gateway/event_json.h"
#include "gateway/event_pages.h"
#include "gateway/problem.h"

namespace baton::gateway {
namespace {

constexpr std::size_t kEventsAtOnce = 256;
constexpr std::size_t kBytesAtOnce = 256u << 10;
constexpr std::int64_t kRetryNs = 100'000'000;

// JSON on one line or several: a line break in it stands between tokens, and each line has its field name.
void put_data(std::string& out, std::string_view json) {
  out += "data: ";
  for (const char c : json) {
    if (c == '\n') out += "\ndata: ";
    else if (c == '\r') out += ' ';
    else out += c;
  }
  out += '\n';
}

net::Stream::Piece piece_of(std::string_view text, bool last = false) {
  net::Stream::Piece piece{.bytes = {}, .last = last};
  base::put_bytes(piece.bytes, base::as_bytes(text));
  return piece;
}

// With a position of its own when no event follows that has one, so that it is told once to a client that comes back.
std::string told_removed(const ContextPage& page, bool alone) {
  return (alone ? "id: " + page.next.token + '\n' : std::string()) + "event: removed\ndata: {\"removed\":" + std::to_string(page.removed) + "}\n\n";
}

// A state machine on the core: asked -> reading -> given, or -> waiting for the partitions to grow.
class Source : public std::enable_shared_from_this<Source> {
 public:
  Source(Gateway& gateway, os::Executor& core, ReadContext read, std::vector<log::PartitionKey> partitions,
         std::function<std::optional<Response>()> refused)
      : gateway_(gateway), core_(core), read_(std::move(read)), partitions_(std::move(partitions)), refused_(std::move(refused)) {
    read_.limit = kEventsAtOnce;
    ++gateway_.open_streams();
  }
  ~Source() { --gateway_.open_streams(); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  void next(std::function<void(net::Stream::Piece)> give) {
    give_ = std::move(give);
    asked_ns_ = gateway_.env().clock().monotonic_ns();
    // Where it begins: who comes back before the first event goes on from there.
    if (std::exchange(begun_, true) || read_.after.is_beginning()) return read();
    core_.post([weak = weak_from_this(), text = "id: " + read_.after.token + "\n\n"] {
      if (const auto self = weak.lock(); self && !self->closed_) self->give(piece_of(text));
    });
  }

  void close() {
    closed_ = true;
    waiter_.reset();
    stop_timer();
    give_ = nullptr;
  }

 private:
  void read() {
    stop_timer();
    moved_ = false;
    reading_ = true;
    const bool taken = gateway_.readers().post(ReadLanes::Lane::streams, [self = shared_from_this(), request = read_] {
      // Text is made here, off the core.
      std::string text;
      auto written = write_context(self->gateway_.store(), request, kBytesAtOnce, text, [&](const Event& event) {
        std::string json;
        put_cloud_event(json, event);
        text += "id: " + event.position.token + '\n';
        put_data(text, json);
        text += '\n';
      });
      auto page = written ? Result<ContextPage>(std::move(written->page)) : Result<ContextPage>(written.error());
      if (page && page->removed > 0) text.insert(0, told_removed(*page, text.empty()));
      self->core_.post([self, page = std::move(page), text = std::move(text)]() mutable { self->on_page(std::move(page), text); });
    });
    if (!taken) {
      reading_ = false;
      set_timer(kRetryNs, &Source::read);
    }
  }

  void on_page(Result<ContextPage> page, std::string_view text) {
    reading_ = false;
    if (closed_) return;
    if (const auto refused = refused_()) return fail(*refused);
    if (!page) return fail(problem_of(page.error()));
    read_.after = page->next;
    if (!text.empty()) return give(piece_of(text));
    // Also while there is a lot that the filter does not let through.
    const auto left = asked_ns_ + gateway_.options().heartbeat_ms * 1'000'000 - gateway_.env().clock().monotonic_ns();
    if (left <= 0) return heartbeat();
    if (!page->at_end) return read();
    if (!waiter_) {
      // From now on it is told. What came before that, it must see for itself.
      waiter_ = gateway_.broker().fetch_waiters().wait(partitions_, [weak = weak_from_this(), &core = core_, told = told_] {
        if (told->exchange(true)) return;
        core.post([weak, told] {
          told->store(false);
          if (const auto self = weak.lock()) self->on_moved();
        });
      });
      return read();
    }
    if (moved_) return read();
    set_timer(left, &Source::heartbeat);
  }

  void fail(const Response& problem) {
    std::string out = "event: error\n";
    put_data(out, problem.body);
    give(piece_of(out + '\n', true));
  }

  void on_moved() {
    moved_ = true;
    if (!closed_ && give_ && !reading_) read();
  }

  // So that a client that has gone is noticed, and what stands between does not end the connection.
  void heartbeat() {
    if (const auto refused = refused_()) return fail(*refused);
    give(piece_of(": \n\n"));
  }

  void give(net::Stream::Piece piece) {
    stop_timer();
    if (give_) std::exchange(give_, nullptr)(std::move(piece));
  }

  void set_timer(std::int64_t after_ns, void (Source::*then)()) {
    stop_timer();
    timer_ = core_.run_at(gateway_.env().clock().monotonic_ns() + after_ns, [weak = weak_from_this(), then] {
      const auto self = weak.lock();
      if (!self || self->closed_) return;
      self->timer_.reset();
      (self.get()->*then)();
    });
  }
  void stop_timer() {
    if (timer_) core_.cancel(*std::exchange(timer_, std::nullopt));
  }

  Gateway& gateway_;
  os::Executor& core_;
  ReadContext read_;
  const std::vector<log::PartitionKey> partitions_;
  const std::function<std::optional<Response>()> refused_;
  std::function<void(net::Stream::Piece)> give_;  // while asked
  std::int64_t asked_ns_ = 0;                     // since when
  std::unique_ptr<broker::FetchWaiters::Waiter> waiter_;
  const std::shared_ptr<std::atomic<bool>> told_ = std::make_shared<std::atomic<bool>>(false);  // on_moved() is on its way
  std::optional<os::TimerId> timer_;
  bool begun_ = false;
  bool reading_ = false;
  bool moved_ = false;  // since the last read began
  bool closed_ = false;
};

class EventStream final : public net::Stream {
 public:
  explicit EventStream(std::shared_ptr<Source> source) : source_(std::move(source)) {}
  ~EventStream() override { source_->close(); }
  void next(std::function<void(Piece)> give) override { source_->next(std::move(give)); }

 private:
  const std::shared_ptr<Source> source_;
};

}  // namespace

std::unique_ptr<net::Stream> stream_events(Gateway& gateway, os::Executor& core, ReadContext read,
                                           std::vector<log::PartitionKey> partitions, std::function<std::optional<Response>()> refused) {
  return std::make_unique<EventStream>(std::make_shared<Source>(gateway, core, std::move(read), std::move(partitions), std::move(refused)));
}

}  // namespace baton::gateway
