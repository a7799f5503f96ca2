// What the mode `appends` of kafka_load drives: connections that send conditional appends and tell when each was acknowledged. Each append is one event with two
// tags, `bike:` of one of 10,000 and `ride:` that no other event has, unless there is an event with that `ride:`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "raw_batch.h"

namespace baton::bench {

struct AppendShape {
  std::uint16_t port = 0;
  std::string context;    // Baton's
  std::string run;        // makes the tags of one run differ from those of another
  std::size_t bytes = 0;  // of data
};

// A request that is rendered once, and then differs in the digits of two numbers only, so that the client is not the limit.
class AppendText {
 public:
  static constexpr std::size_t kDigits = 10;

  // `text` has kDigits digits behind each `bike:` and `bike-`, and behind each `ride:RUN-`.
  AppendText(std::string text, const std::string& run);
  // What stands for a number in `text`.
  [[nodiscard]] static std::string digits() { return std::string(kDigits, '0'); }
  // The n-th; valid until the next is asked for.
  [[nodiscard]] std::string& render(std::int64_t n);

 private:
  void find(const std::string& mark, std::vector<std::size_t>& places) const;

  std::string text_;
  std::vector<std::size_t> bikes_;
  std::vector<std::size_t> rides_;
};

// One connection. What goes wrong on it ends the program.
class Link {
 public:
  explicit Link(std::uint16_t port);
  virtual ~Link() = default;

  [[nodiscard]] int socket() const { return connection_.socket(); }
  // Adds the n-th append to what the next flush() sends.
  virtual void put(std::int64_t n) = 0;
  void flush();
  // Reads what has come, and adds for each append that is acknowledged by it how long that took.
  void take(std::vector<std::int64_t>& nanoseconds);

 protected:
  // The beginning of `in` that was understood: how many bytes.
  [[nodiscard]] virtual std::size_t understand(std::string_view in, std::vector<std::int64_t>& nanoseconds) = 0;
  std::string out_;

 private:
  Connection connection_;
  std::string in_;
};

// Baton's HTTP: one append in flight.
[[nodiscard]] std::unique_ptr<Link> http_link(const AppendShape& shape);
// UmaDB's gRPC: any number in flight, each a stream of HTTP/2.
[[nodiscard]] std::unique_ptr<Link> grpc_link(const AppendShape& shape);

}  // namespace baton::bench
