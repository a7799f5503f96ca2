// The mode `appends` of kafka_load: one thread that waits for all connections, each of which sends an append for each that it was acknowledged.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "appends.h"

namespace baton::bench {
namespace {

constexpr std::int64_t kBikes = 10'000;
constexpr int kSilenceLimitMs = 60'000;

void put_digits(std::string& text, std::size_t at, std::int64_t number) {
  for (std::size_t i = AppendText::kDigits; i-- > 0; number /= 10) text[at + i] = static_cast<char>('0' + number % 10);
}

}  // namespace

AppendText::AppendText(std::string text, const std::string& run) : text_(std::move(text)) {
  find("bike:", bikes_);
  find("bike-", bikes_);
  find("ride:" + run + '-', rides_);
}

void AppendText::find(const std::string& mark, std::vector<std::size_t>& places) const {
  for (auto at = text_.find(mark); at != std::string::npos; at = text_.find(mark, at + 1)) places.push_back(at + mark.size());
}

std::string& AppendText::render(std::int64_t n) {
  for (const auto at : bikes_) put_digits(text_, at, n % kBikes);
  for (const auto at : rides_) put_digits(text_, at, n);
  return text_;
}

Link::Link(std::uint16_t port) {
  if (!connection_.connect(port)) fail("no server on port " + std::to_string(port));
}

void Link::flush() {
  if (!out_.empty() && !connection_.send(base::as_bytes(out_))) fail("the server closed a connection");
  out_.clear();
}

void Link::take(std::vector<std::int64_t>& nanoseconds) {
  std::array<char, 65'536> chunk;
  const auto got = recv(socket(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) fail("the server closed a connection");
  in_.append(chunk.data(), static_cast<std::size_t>(got));
  in_.erase(0, understand(in_, nanoseconds));
}

namespace {

// Sends until `until_ns` and waits for what is then in flight; how long each append took.
std::vector<std::int64_t> run_links(std::vector<std::unique_ptr<Link>>& links, std::int64_t in_flight, std::int64_t until_ns) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  std::int64_t next = 0;
  for (auto& link : links) {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = link.get()}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, link->socket(), &event) != 0) fail("epoll_ctl");
    for (std::int64_t i = 0; i < in_flight; ++i) link->put(next++);
    link->flush();
  }
  std::vector<std::int64_t> times;
  std::array<epoll_event, 64> events{};
  while (static_cast<std::int64_t>(times.size()) < next) {
    const auto count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), kSilenceLimitMs);
    if (count == 0) fail("no answer for a minute");
    for (int i = 0; i < count; ++i) {
      auto& link = *static_cast<Link*>(events[static_cast<std::size_t>(i)].data.ptr);
      const auto before = times.size();
      link.take(times);
      const bool more = now_ns() < until_ns;
      for (auto n = before; more && n < times.size(); ++n) link.put(next++);
      link.flush();
    }
  }
  return times;
}

}  // namespace

void run_appends(Arguments& arguments) {
  AppendShape shape;
  shape.port = static_cast<std::uint16_t>(arguments.number("port", 8081));
  shape.context = arguments.text("context", "bench");
  shape.run = arguments.text("run", "0");
  shape.bytes = static_cast<std::size_t>(arguments.number("bytes", 200));
  const bool umadb = arguments.text("to", "baton") == "umadb";
  const auto clients = arguments.number("clients", 64);
  const auto connections = arguments.number("connections", clients);
  const auto seconds = arguments.number("seconds", 20);
  arguments.check_all_used();
  if (clients % connections != 0 || (!umadb && clients != connections))
    fail("so many clients do not share so many connections");
  std::vector<std::unique_ptr<Link>> links;
  links.reserve(static_cast<std::size_t>(connections));
  for (std::int64_t i = 0; i < connections; ++i) links.push_back(umadb ? grpc_link(shape) : http_link(shape));
  const auto begin = now_ns();
  const auto cpu = process_cpu_seconds();
  auto times = run_links(links, clients / connections, begin + seconds * 1'000'000'000);
  const auto took = static_cast<double>(now_ns() - begin) / 1e9;
  const auto records = times.size();
  std::printf("{\"records\": %zu, \"seconds\": %.4f, \"rate\": %.0f, \"client_cpu\": %.3f, %s}\n", records, took,
              static_cast<double>(records) / took, (process_cpu_seconds() - cpu) / took,
              percentiles_json(std::move(times)).c_str());
}

}  // namespace baton::bench
