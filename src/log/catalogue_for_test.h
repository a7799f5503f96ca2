// For tests of the catalogue: a simulated machine with a store's directory, and a run of steps that uses every kind of record.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "log/catalogue.h"
#include "os/sim_env.h"

namespace baton::log {

inline const std::string kDirectory = "/store";
inline const std::string kFile = "/store/catalogue";

inline StoreId store_id() {
  StoreId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(i + 1);
  return id;
}

inline TopicId topic_id(std::uint8_t n) {
  TopicId id;
  id.bytes.fill(n);
  return id;
}

inline TopicInfo topic(std::uint8_t n, const std::string& name, std::int32_t partitions = 1) {
  TopicInfo info;
  info.id = topic_id(n);
  info.name = name;
  info.kind = TopicKind::event;
  info.partitions = partitions;
  info.settings = {{"retention.ms", "-1"}, {"baton.partitioner", "murmur2"}};
  return info;
}

inline PartitionKey partition(std::uint8_t n, std::int32_t p = 0) { return {topic_id(n), PartitionId(p)}; }

inline Seal seal(PartitionKey key, std::int64_t base, std::int64_t next, Hash256 previous, std::uint8_t hash) {
  Seal s;
  s.partition = key;
  s.base_offset = Offset(base);
  s.next_offset = Offset(next);
  s.bytes = 64u << 20;
  s.max_timestamp = 1'700'000'000'123;
  s.previous = previous;
  s.hash.fill(hash);
  return s;
}

inline Hash256 hash_of(std::uint8_t n) {
  Hash256 h;
  h.fill(n);
  return h;
}

inline Acl acl(const std::string& who) {
  return {.resource = Acl::Resource::topic, .pattern = Acl::Pattern::prefixed, .name = "rides", .principal = "User:" + who, .host = "*",
          .operation = Acl::Operation::read, .permission = Acl::Permission::allow};
}

// A machine with a store's directory on it.
struct Machine {
  explicit Machine(std::uint64_t seed = 1) : world({.seed = seed}), env(std::make_unique<os::SimEnv>(world)) {
    EXPECT_TRUE(os::make_directories(env->fs(), kDirectory).ok());
  }
  std::unique_ptr<Catalogue> create() {
    auto made = Catalogue::create(*env, kDirectory, store_id());
    EXPECT_TRUE(made.ok()) << made.error().to_string();
    return std::move(made).value();
  }
  Result<std::unique_ptr<Catalogue>> open(bool read_only = false) { return Catalogue::open(*env, kDirectory, read_only); }
  CatalogueState state(bool read_only = false) {
    auto opened = open(read_only);
    EXPECT_TRUE(opened.ok()) << opened.error().to_string();
    return opened.ok() ? (*opened)->state() : CatalogueState();
  }
  base::Bytes content() { return world.disk().read(kFile).value_or(base::Bytes()); }
  void set_content(base::ByteView bytes) { world.disk().write(kFile, bytes); }

  os::SimWorld world;
  std::unique_ptr<os::SimEnv> env;
};

// One of everything, in an order that has a meaning.
inline const std::vector<std::function<Status(Catalogue&)>>& steps() {
  static const std::vector<std::function<Status(Catalogue&)>> kSteps = {
      [](Catalogue& c) { return c.raise_epoch(Epoch(1), 1'700'000'000'001, false, {}); },
      [](Catalogue& c) { return c.add_topic(topic(1, "rides", 2)); },
      [](Catalogue& c) { return c.add_topic(topic(2, "payments")); },
      [](Catalogue& c) { return c.set_topic(topic_id(1), {{"retention.ms", "1000"}, {"x", ""}}); },
      [](Catalogue& c) { return c.add_seal(seal(partition(1), 0, 100, {}, 7)); },
      [](Catalogue& c) { return c.add_note(std::string(1000, 'n')); },  // of three sectors
      [](Catalogue& c) {
        return c.raise_epoch(Epoch(3), 1'700'000'000'002, true, {{partition(2), Offset(5)}, {partition(1), Offset(110)}});
      },
      [](Catalogue& c) { return c.add_seal(seal(partition(1), 100, 230, hash_of(7), 8)); },
      [](Catalogue& c) { return c.add_seal(seal(partition(2), 5, 5, {}, 9)); },
      [](Catalogue& c) { return c.set_log_start(partition(1), Offset(100), false, Offset(100)); },
      [](Catalogue& c) {
        return c.set_quota({.user = QuotaEntity::Of::others, .client = QuotaEntity::Of::named, .user_name = "", .client_id = "slow"}, {{"producer_byte_rate", "1024"}});
      },
      [](Catalogue& c) { return c.set_quota({.user = QuotaEntity::Of::named, .user_name = "alice"}, {{"consumer_byte_rate", "0.5"}}); },
      [](Catalogue& c) { return c.set_quota({.user = QuotaEntity::Of::named, .user_name = "alice"}, {}); },
      [](Catalogue& c) { return c.change_acls({}, {acl("alice"), acl("bob"), acl("carol")}); },
      [](Catalogue& c) { return c.change_acls({acl("bob"), acl("nobody")}, {acl("alice"), acl("dave")}); },
      [](Catalogue& c) { return c.add_partitions(topic_id(2), 3); },
      [](Catalogue& c) { return c.remove_topic(topic_id(2)); },
      [](Catalogue& c) { return c.mark_clean_close(Round(77)); },
  };
  return kSteps;
}

inline void run_all(Catalogue& c) {
  for (const auto& step : steps()) {
    const Status done = step(c);
    ASSERT_TRUE(done.ok()) << done.error().to_string();
  }
}

}  // namespace baton::log
