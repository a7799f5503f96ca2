// Batches of 100 events with all indexes, merges included, beside SQLite and RocksDB with equivalent keys.
#include <cstdio>
#include <filesystem>

#include "harness.h"
#include "peers.h"

namespace baton::bench {
namespace {

constexpr std::size_t kBatch = 100;
constexpr std::uint64_t kStreams = 1'000'000;

std::uint64_t stream_of(std::uint64_t batch) { return batch * 7919 % kStreams; }

std::vector<PeerRow> make_rows(std::uint64_t batch) {
  std::vector<PeerRow> rows(kBatch);
  for (std::size_t i = 0; i < kBatch; ++i) {
    const auto n = batch * kBatch + i;
    auto event = make_event(n);
    char id[40];
    std::snprintf(id, sizeof id, "0190a1b2-c3d4-7e5f-8a9b-%012llx", static_cast<unsigned long long>(n));
    event.id = id;
    event.time = Time{static_cast<std::int64_t>(n) * 1000};
    rows[i] = {.stream = "order-" + std::to_string(stream_of(batch)),
               .version = static_cast<std::int64_t>(batch / kStreams * kBatch + i), .event = std::move(event)};
  }
  return rows;
}

template <typename Peer>
double peer_rate(Peer& peer, std::uint64_t events) {
  double making = 0;
  const double start = now_s();
  for (std::uint64_t b = 0; b * kBatch < events; ++b) {
    const double before = now_s();
    const auto rows = make_rows(b);
    making += now_s() - before;  // the peer does not pay for making its input
    peer.append(rows);
  }
  return static_cast<double>(events) / (now_s() - start - making);
}

void append100() {
  const auto events = setting("BATON_BENCH_EVENTS", 10'000'000);
  const auto peer_events = setting("BATON_BENCH_PEER_EVENTS", events);
  Scratch scratch("append100");
  double baton_rate = 0, cpu_us = 0;
  std::uint64_t anon = 0;
  {
    auto store = must(Store::open(scratch.file("store")), "open");
    const RssSampler memory;
    const double cpu = process_cpu_s();
    double making = 0;
    const double start = now_s();
    for (std::uint64_t b = 0; b * kBatch < events; ++b) {
      const double before = now_s();
      auto append = make_append("orders", stream_of(b), b * kBatch, kBatch);
      making += now_s() - before;
      must(store->append(std::move(append)), "append");
    }
    must(store->close(), "close");  // merges included: close waits for them
    const double taken = now_s() - start - making;
    baton_rate = static_cast<double>(events) / taken;
    cpu_us = (process_cpu_s() - cpu - making) / static_cast<double>(events) * 1e6;
    anon = memory.max_bytes();
  }
  std::filesystem::remove_all(scratch.file("store"));
  // Each row as soon as its peer is through: with 10 million events a peer takes a quarter of an hour.
  const auto tell = [&](const char* name, const char* peer, double peer_rate_s, double target) {
    char detail[300];
    std::snprintf(detail, sizeof detail, "%llu events: baton %.0f/s (%.1f us CPU an event, %llu MiB anonymous at most); %s with %llu events: %.0f/s",
                  static_cast<unsigned long long>(events), baton_rate, cpu_us, static_cast<unsigned long long>(anon >> 20), peer,
                  static_cast<unsigned long long>(peer_events), peer_rate_s);
    report({.name = name, .unit = "x", .measured = baton_rate / peer_rate_s, .target = target, .starred = true, .detail = detail});
  };
  {
    RocksPeer peer(scratch.file("rocksdb"));
    const double without_compaction = static_cast<double>(peer_events) / peer_rate(peer, peer_events);
    const double before_wait = now_s();
    peer.wait_for_compactions();
    tell("append100 vs rocksdb", "rocksdb", static_cast<double>(peer_events) / (without_compaction + now_s() - before_wait), 4);
  }
  std::filesystem::remove_all(scratch.file("rocksdb"));
  {
    SqlitePeer peer(scratch.file("sqlite"));
    tell("append100 vs sqlite", "sqlite", peer_rate(peer, peer_events), 10);
  }
}

const Registered r{{"append100", "store", &append100}};

}  // namespace
}  // namespace baton::bench
