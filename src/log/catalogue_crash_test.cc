#include <random>

#include <gtest/gtest.h>

#include "log/catalogue.h"
#include "log/catalogue_for_test.h"
#include "os/sim_env.h"

namespace baton::log {
namespace {

// F1 and F2 for the catalogue: the process or the machine ends in each operation that changes the disk.
void crash_everywhere(bool power, std::uint64_t seed) {
  for (std::uint64_t at = 1;; ++at) {
    Machine m(seed * 1000 + at);
    std::vector<CatalogueState> states;  // what was attempted; the last one may not have been acknowledged
    bool created = false;
    std::size_t acknowledged = 0;
    auto& disk = m.world.disk();
    if (power) {
      disk.faults.power_loss_at = disk.counters().mutations + at;
    } else {
      m.env->kill_in(at);
    }
    {
      auto c = Catalogue::create(*m.env, kDirectory, store_id());
      if (c.ok()) {
        created = true;
        states.push_back((*c)->state());
        for (const auto& step : steps()) {
          if (!step(**c).ok()) break;
          states.push_back((*c)->state());
          ++acknowledged;
        }
      }
    }
    const bool ended = !m.env->alive();
    m.env.reset();
    // Recovery is interrupted as well, three times (F6).
    for (std::uint64_t again = 1; power && again <= 3; ++again) {
      disk.restart();
      m.env = std::make_unique<os::SimEnv>(m.world);
      disk.faults.power_loss_at = disk.counters().mutations + again;
      (void)m.open();
      m.env.reset();
    }
    disk.faults.power_loss_at = 0;
    if (power) disk.restart();
    m.env = std::make_unique<os::SimEnv>(m.world);
    auto opened = m.open();
    if (!created) {
      const bool fresh = opened.ok() && (*opened)->bytes() == 512;
      ASSERT_TRUE(fresh || opened.error().code == Code::not_found) << opened.error().to_string() << ", at " << at;
    } else {
      ASSERT_TRUE(opened.ok()) << opened.error().to_string() << ", seed " << seed << ", at " << at;
      if ((*opened)->state() != states.back()) {
        // One more than was acknowledged: the one in whose append it ended.
        Machine twin(seed * 1000 + at);
        const auto c = twin.create();
        for (std::size_t i = 0; i <= acknowledged && i < steps().size(); ++i) ASSERT_TRUE(steps()[i](*c).ok());
        CatalogueState attempted = c->state();
        attempted.created_ms = states.back().created_ms;
        ASSERT_EQ((*opened)->state(), attempted) << "seed " << seed << ", at " << at;
      }
      ASSERT_TRUE((*opened)->add_note("on").ok());
      ASSERT_EQ(m.state(), (*opened)->state());
    }
    if (!ended) return;
  }
}

TEST(Catalogue, KilledInAnyOperationItOpensWithAllThatWasAcknowledged) { crash_everywhere(false, 1); }

TEST(Catalogue, AfterAPowerLossInAnyOperationItOpensWithAllThatWasAcknowledged) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) crash_everywhere(true, seed);
}

// F7: a process was killed between write and sync; what the next one finds in the page cache and relies on must not be lost.
TEST(Catalogue, WhatWasFoundAtOpenSurvivesAPowerLossAfterIt) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Machine m(seed);
    {
      const auto c = m.create();
      m.env->kill_in(3);  // allocate, write, sync
      ASSERT_FALSE(c->add_topic(topic(1, "rides")).ok());
      ASSERT_FALSE(m.env->alive());
    }
    m.env = std::make_unique<os::SimEnv>(m.world);
    const CatalogueState found = m.state();
    ASSERT_TRUE(found.topics.contains(topic_id(1)));
    m.env.reset();
    m.world.disk().restart();
    m.env = std::make_unique<os::SimEnv>(m.world);
    ASSERT_EQ(m.state(), found) << "seed " << seed;
  }
}

// Steps drawn by seed, some of which contradict the state; opened again now and then.
TEST(Catalogue, AfterRandomStepsItReloadsToTheStateThatItHad) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Machine m(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return static_cast<std::int32_t>(random() % n); };
    auto c = m.create();
    int accepted = 0;
    for (int i = 0; i < 150; ++i) {
      const auto t = static_cast<std::uint8_t>(1 + below(5));
      const PartitionKey key = partition(t, below(3));
      const CatalogueState before = c->state();
      const auto last = before.last_seal.find(key);
      const Hash256 previous = last == before.last_seal.end() ? Hash256{} : before.seals[last->second].hash;
      Status done;
      switch (below(11)) {
        case 0: done = c->add_topic(topic(t, "t" + std::to_string(below(5)), 1 + below(3))); break;
        case 1: done = c->set_topic(topic_id(t), {{std::to_string(below(3)), std::string(below(600), 'v')}}); break;
        case 2: done = below(10) == 0 ? c->remove_topic(topic_id(t)) : Status(); break;
        case 3: done = c->raise_epoch(before.epoch.plus(below(3)), i, below(2) == 0, {{key, Offset(i * 10)}}); break;
        case 4: done = c->add_seal(seal(key, i * 10, i * 10 + below(30), previous, t)); break;
        case 5: done = c->set_log_start(key, Offset(below(200)), below(2) == 0, Offset(below(2) * i)); break;
        case 7: done = c->set_quota({.client = QuotaEntity::Of(below(3)), .client_id = below(2) == 0 ? "c" : ""}, below(2) == 0 ? Settings{{"k", "1"}} : Settings{}); break;
        case 8: done = c->add_partitions(topic_id(t), 1 + below(5)); break;
        case 9: done = c->change_acls({acl(std::to_string(below(4)))}, {acl(std::to_string(below(4)))}); break;
        case 6: done = c->mark_clean_close(Round(static_cast<std::uint64_t>(i))); break;
        default: done = c->add_note(std::string(below(1500), 'n')); break;
      }
      if (!done.ok()) ASSERT_EQ(c->state(), before) << done.error().to_string();
      accepted += done.ok() ? 1 : 0;
      if (i % 10 == 0) {
        ASSERT_EQ(m.state(true), c->state()) << "seed " << seed << ", step " << i;
        c = std::move(m.open()).value();
      }
    }
    EXPECT_GT(accepted, 30);
    ASSERT_EQ(m.state(), c->state()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace baton::log
