#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "peers.h"

namespace baton::bench {

struct RocksPeer::State {
  std::unique_ptr<rocksdb::DB> db;
  std::uint64_t position = 0;
};

namespace {
void check(const rocksdb::Status& s) {
  if (s.ok()) return;
  std::fprintf(stderr, "rocksdb: %s\n", s.ToString().c_str());
  std::exit(2);
}
void put_big_endian(std::string& out, std::uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}
}  // namespace

RocksPeer::RocksPeer(const std::string& path) : s_(std::make_unique<State>()) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.compression = rocksdb::kNoCompression;
  options.max_background_jobs = 2;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(256u << 20);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::DB* db = nullptr;
  check(rocksdb::DB::Open(options, path, &db));
  s_->db.reset(db);
}

RocksPeer::~RocksPeer() = default;

void RocksPeer::append(const std::vector<PeerRow>& rows) {
  rocksdb::WriteBatch batch;
  std::string key, value;
  for (const auto& row : rows) {
    std::string position;
    put_big_endian(position, ++s_->position);
    const auto put = [&](char kind, std::initializer_list<std::string_view> parts, std::string_view v) {
      key.assign(1, kind);
      for (const auto p : parts) {
        key.append(p);
        key.push_back('\0');
      }
      check(batch.Put(key, rocksdb::Slice(v.data(), v.size())));
    };
    value.clear();
    for (const auto* field : {&row.stream, &row.event.id, &row.event.source, &row.event.type, &row.event.tenant,
                              &row.event.correlation_id, &row.event.causation_id, &row.event.traceparent,
                              &row.event.content_type, &row.event.data}) {
      value.append(*field);
      value.push_back('\0');
    }
    put('e', {position}, value);
    std::string number;
    put_big_endian(number, static_cast<std::uint64_t>(row.version));
    put('v', {row.stream, number}, position);
    put('i', {row.stream, row.event.source, row.event.id}, position);
    put('t', {row.event.type, position}, {});
    number.clear();
    put_big_endian(number, static_cast<std::uint64_t>(row.event.time ? row.event.time->ns : 0));
    put('m', {number, position}, {});
    for (const auto& tag : row.event.tags) put('g', {tag, position}, {});
  }
  rocksdb::WriteOptions options;
  options.sync = true;
  check(s_->db->Write(options, &batch));
}

void RocksPeer::wait_for_compactions() {
  check(s_->db->Flush(rocksdb::FlushOptions()));
  // 7.8 has no call that waits: poll what is pending.
  for (std::uint64_t pending = 1, running = 1; pending != 0 || running != 0;) {
    s_->db->GetIntProperty(rocksdb::DB::Properties::kCompactionPending, &pending);
    s_->db->GetIntProperty(rocksdb::DB::Properties::kNumRunningCompactions, &running);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace baton::bench
