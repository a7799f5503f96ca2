// One record batch of format v2, built by hand, and one connection: what the raw modes of kafka_load send to a broker and to bench/sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "kafka_load.h"

namespace baton::bench {

inline constexpr std::size_t kBatchBegin = 21;  // what the CRC covers begins here
inline constexpr std::size_t kBatchCrc = 17;

[[nodiscard]] base::Bytes make_batch(const RecordShape& shape, std::int64_t records);
// A Produce request of version 7 (acks=all) with its length before it.
[[nodiscard]] base::Bytes produce_request(std::string_view topic, base::ByteView batch);

// A blocking connection to 127.0.0.1.
class Connection {
 public:
  Connection() = default;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool connect(std::uint16_t port);
  [[nodiscard]] bool send(base::ByteView bytes);
  // The next answer without its length; false at the end of the connection.
  [[nodiscard]] bool receive(base::Bytes& answer);
  void close();
  [[nodiscard]] int socket() const { return socket_; }

 private:
  [[nodiscard]] bool read(std::byte* to, std::size_t bytes);
  int socket_ = -1;
};

// Of the one partition in an answer to produce_request(): 0, or Kafka's error code; -1000 if the answer is none.
[[nodiscard]] int produce_error(base::ByteView answer);

}  // namespace baton::bench
