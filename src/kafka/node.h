// What the protocol must know of the server that it speaks for. One a server; it outlives its sessions and every completion.
#pragma once

#include <cstdint>
#include <string>

#include "broker/broker.h"
#include "net/readers.h"
#include "os/env.h"

namespace baton::kafka {

// Where clients are told to connect to: the `advertised` address of their listener.
struct Endpoint {
  std::string host;
  std::int32_t port = 0;
};

struct NodeLimits {
  std::int32_t fetch_bytes_max = 55 << 20;      // of one reply, whatever the client would take (fetch.max.bytes)
  std::int32_t fetch_wait_ms_max = 60'000;
  std::size_t unpacked_bytes_max = 64u << 20;   // S16: of one batch
};

struct Node {
  broker::Broker& broker;
  os::Clock& clock;
  std::int32_t id = 1;
  NodeLimits limits;
  net::Readers* cold_reads = nullptr;  // where records are read that are not in memory; null: nowhere else (tests)
  std::string listeners = {};  // "PLAINTEXT://127.0.0.1:9092", as it is shown

  // Kafka's ids are 16 bytes in URL-safe base64 without padding; the cluster's is the store's.
  [[nodiscard]] std::string cluster_id() const;
};

}  // namespace baton::kafka
