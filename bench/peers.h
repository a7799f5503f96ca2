// The peers: what the same work costs without Baton.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>

namespace baton::bench {

// Writes `bytes` at the end of a file and calls fdatasync, again and again.
class RawLog {
 public:
  // prewritten > 0: the file is allocated and written with zeros up to that size first, and written round and round, as
  // Baton's journal is once it has been through one cycle; 0: it grows.
  RawLog(const std::string& path, std::uint64_t prewritten);
  ~RawLog();
  RawLog(const RawLog&) = delete;
  RawLog& operator=(const RawLog&) = delete;
  void append(std::size_t bytes);

 private:
  int fd_;
  std::uint64_t size_ = 0, limit_ = 0;
  std::vector<char> buffer_;
};

// The row that both databases store: the envelope and the keys by which Baton finds events.
struct PeerRow {
  std::string stream;
  std::int64_t version = 0;
  NewEvent event;  // with id and time set
};

// One table with keys for version, id, type, time, and a table of tags; WAL, synchronous=FULL, 256 MiB of cache.
class SqlitePeer {
 public:
  explicit SqlitePeer(const std::string& path);
  ~SqlitePeer();
  SqlitePeer(const SqlitePeer&) = delete;
  SqlitePeer& operator=(const SqlitePeer&) = delete;
  void append(const std::vector<PeerRow>& rows);  // one transaction
  // One transaction for many conditional appends: each row is inserted when no event has its first tag after position `after`.
  std::size_t append_unless_tag(const std::vector<PeerRow>& rows, std::int64_t after);
  [[nodiscard]] std::int64_t last_position() const;

 private:
  struct State;
  std::unique_ptr<State> s_;
};

// The same keys in RocksDB: one write batch a transaction, sync on; 256 MiB of block cache.
class RocksPeer {
 public:
  explicit RocksPeer(const std::string& path);
  ~RocksPeer();
  RocksPeer(const RocksPeer&) = delete;
  RocksPeer& operator=(const RocksPeer&) = delete;
  void append(const std::vector<PeerRow>& rows);
  void wait_for_compactions();  // 'merges included'

 private:
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace baton::bench
