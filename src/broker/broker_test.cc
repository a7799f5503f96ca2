#include "broker/broker.h"

#include <gtest/gtest.h>

#include "os/sim_env.h"

namespace baton::broker {
namespace {

class BrokerTest : public ::testing::Test {
 protected:
  BrokerTest() { start(); }
  ~BrokerTest() override { stop(); }
  void stop() {
    broker_ = nullptr;
    core_ = nullptr;
    env_ = nullptr;
  }
  void start() {
    env_ = std::make_unique<os::SimEnv>(world_);
    Options options;
    options.segment_bytes = 1u << 20;
    options.journal_bytes = 1u << 20;
    auto opened = store::StoreCore::open(*env_, "/data", options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    core_ = *std::move(opened);
    auto made = Broker::make(*core_, options_);
    ASSERT_TRUE(made) << made.error().to_string();
    broker_ = *std::move(made);
  }
  void restart() {
    broker_ = nullptr;
    ASSERT_TRUE(core_->close());
    stop();
    start();
  }
  // Calls `start`, which is given a completion, and waits for it.
  template <typename Reply>
  Reply wait_for(const std::function<void(std::function<void(Reply)>)>& begin) {
    const auto waiter = env_->make_waiter();
    std::optional<Reply> answer;
    begin([&](Reply reply) {
      answer = std::move(reply);
      waiter->wake();
    });
    waiter->wait();
    return *std::move(answer);
  }
  TopicReply create(NewTopic topic, bool validate_only = false) {
    return wait_for<TopicReply>([&](TopicDone done) { broker_->create_topic(topic, validate_only, std::move(done)); });
  }
  TopicReply configure(const std::string& name, log::Settings changed, std::vector<std::string> removed = {}) {
    return wait_for<TopicReply>([&](TopicDone done) {
      broker_->configure_topic(broker_->view()->find_topic(name)->id, std::move(changed), std::move(removed), false, std::move(done));
    });
  }
  ProduceReply produce(const std::string& name, std::string_view value, std::int32_t partition = 0) {
    log::BatchBuilder builder;
    builder.add(1000, std::nullopt, base::as_bytes(value), {});
    return wait_for<ProduceReply>([&](ProduceDone done) {
      broker_->produce(broker_->view()->find_topic(name), log::PartitionId(partition), builder.finish(-1).value(), std::move(done));
    });
  }
  Broker::DeleteReply delete_records(const std::string& name, std::int64_t before) {
    return wait_for<Broker::DeleteReply>([&](std::function<void(Broker::DeleteReply)> done) {
      broker_->delete_records({broker_->view()->find_topic(name)->id, log::PartitionId(0)}, log::Offset(before), std::move(done));
    });
  }

  BrokerOptions options_{.topics_max = 5, .partitions_max = 20, .groups = {}};
  os::SimWorld world_{os::SimOptions{.seed = 1}};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<store::StoreCore> core_;
  std::unique_ptr<Broker> broker_;
};

TEST_F(BrokerTest, ATopicIsMadeAndIsThereAfterARestart) {
  const TopicReply made = create({.name = "orders.v1", .partitions = 3, .settings = {{"retention.ms", "1000"}}});
  ASSERT_EQ(made.error, TopicError::none) << made.message;
  restart();
  const auto topic = broker_->view()->find_topic("orders.v1");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->id, made.id);
  EXPECT_EQ(topic->partitions.size(), 3u);
  EXPECT_EQ(topic->config.retention_ms, 1000);
}

TEST_F(BrokerTest, ATopicOfKindEventIsAContext) {
  ASSERT_EQ(create({.name = "rides", .settings = {{"baton.kind", "event"}, {"baton.data.bytes.max", "2048"}}}).error, TopicError::none);
  EXPECT_EQ(broker_->view()->find("rides")->options.data_bytes_max, 2048u);
  EXPECT_EQ(broker_->view()->find_topic("rides")->kind, log::TopicKind::event);
}

TEST_F(BrokerTest, WhatIsWrongWithANewTopicIsSaid) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  EXPECT_EQ(create({.name = "t"}).error, TopicError::topic_already_exists);
  EXPECT_EQ(create({.name = "no/slash"}).error, TopicError::invalid_topic_exception);
  EXPECT_EQ(create({.name = ".."}).error, TopicError::invalid_topic_exception);
  EXPECT_EQ(create({.name = "__baton_groups"}).error, TopicError::invalid_topic_exception);
  EXPECT_EQ(create({.name = "Upper", .settings = {{"baton.kind", "event"}}}).error, TopicError::invalid_topic_exception);
  EXPECT_EQ(create({.name = "u", .partitions = 0}).error, TopicError::invalid_partitions);
  EXPECT_EQ(create({.name = "u", .partitions = 21}).error, TopicError::policy_violation);
  EXPECT_EQ(create({.name = "u", .settings = {{"retention.sm", "1"}}}).error, TopicError::invalid_config);
  EXPECT_EQ(create({.name = "u", .settings = {{"cleanup.policy", "compact"}}}).error, TopicError::invalid_config);
  EXPECT_EQ(create({.name = "u", .settings = {{"baton.kind", "compact"}}}).error, TopicError::invalid_config);
  EXPECT_EQ(create({.name = "u"}, true).error, TopicError::none);
  EXPECT_EQ(broker_->view()->topics().size(), 1u);
  for (const char* name : {"a", "b", "c", "d"}) EXPECT_EQ(create({.name = name}).error, TopicError::none);
  EXPECT_EQ(create({.name = "e"}).error, TopicError::policy_violation);
}

TEST_F(BrokerTest, APlainTopicGetsMorePartitionsAndKeepsWhatItHas) {
  const TopicReply made = create({.name = "t", .partitions = 2});
  ASSERT_EQ(produce("t", "v").base_offset, log::Offset(0));
  const auto grow = [&](const log::TopicId& id, std::int32_t partitions, bool validate_only = false) {
    return wait_for<TopicReply>([&](TopicDone done) { broker_->add_partitions(id, partitions, validate_only, std::move(done)); }).error;
  };
  EXPECT_EQ(grow(made.id, 2), TopicError::invalid_partitions);
  EXPECT_EQ(grow(made.id, 1), TopicError::invalid_partitions);
  EXPECT_EQ(grow(made.id, -1), TopicError::invalid_partitions);
  EXPECT_EQ(grow(made.id, 21), TopicError::policy_violation);
  EXPECT_EQ(grow(log::TopicId{}, 3), TopicError::unknown_topic_or_partition);
  EXPECT_EQ(grow(made.id, 5, true), TopicError::none);
  EXPECT_EQ(broker_->view()->find_topic("t")->partitions.size(), 2u);
  ASSERT_EQ(grow(made.id, 5), TopicError::none);
  EXPECT_EQ(broker_->view()->find_topic("t")->partitions.size(), 5u);
  EXPECT_EQ(produce("t", "v", 4).base_offset, log::Offset(0));
  const TopicReply context = create({.name = "rides", .settings = {{"baton.kind", "event"}}});
  EXPECT_EQ(grow(context.id, 2), TopicError::policy_violation);
  EXPECT_EQ(broker_->view()->find("rides")->partitions.size(), 1u);
  restart();
  const auto topic = broker_->view()->find_topic("t");
  ASSERT_EQ(topic->partitions.size(), 5u);
  EXPECT_EQ(topic->partitions[0]->bounds().visible, log::VisibleOffset(1));
  EXPECT_EQ(topic->partitions[4]->bounds().visible, log::VisibleOffset(1));
  EXPECT_EQ(produce("t", "v", 3).base_offset, log::Offset(0));
}

TEST_F(BrokerTest, SettingsAreChangedAndGoBackToTheirDefaults) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  ASSERT_EQ(configure("t", {{"retention.ms", "5"}, {"message.timestamp.type", "LogAppendTime"}}).error, TopicError::none);
  EXPECT_EQ(broker_->view()->find_topic("t")->config.retention_ms, 5);
  EXPECT_TRUE(broker_->view()->find_topic("t")->config.append_time);
  ASSERT_EQ(configure("t", {}, {"retention.ms"}).error, TopicError::none);
  EXPECT_EQ(broker_->view()->find_topic("t")->config.retention_ms, std::nullopt);
  EXPECT_EQ(configure("t", {{"retention.ms", "soon"}}).error, TopicError::invalid_config);
  EXPECT_EQ(configure("t", {{"baton.kind", "event"}}).error, TopicError::invalid_config);
}

TEST_F(BrokerTest, RecordsAreProducedAndRemoved) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(produce("t", "v").base_offset, log::Offset(i));
  EXPECT_EQ(delete_records("t", 4).error, TopicError::offset_out_of_range);
  EXPECT_EQ(delete_records("t", 2).log_start, log::Offset(2));
  EXPECT_EQ(delete_records("t", 1).log_start, log::Offset(2));
  EXPECT_EQ(delete_records("t", -1).log_start, log::Offset(3));
  restart();
  EXPECT_EQ(broker_->view()->find_topic("t")->partitions[0]->bounds().log_start, log::Offset(3));
  EXPECT_EQ(produce("t", "v").base_offset, log::Offset(3));
}

TEST_F(BrokerTest, TheHistoryOfAContextIsKept) {
  ASSERT_EQ(create({.name = "rides", .settings = {{"baton.kind", "event"}}}).error, TopicError::none);
  EXPECT_EQ(delete_records("rides", 0).error, TopicError::policy_violation);
  const auto id = broker_->view()->find_topic("rides")->id;
  EXPECT_EQ(wait_for<TopicReply>([&](TopicDone done) { broker_->delete_topic(id, std::move(done)); }).error, TopicError::policy_violation);
}

TEST_F(BrokerTest, ADeletedTopicIsGoneAndItsNameIsFree) {
  const TopicReply made = create({.name = "t"});
  ASSERT_EQ(produce("t", "v").error, ProduceError::none);
  const auto topic = broker_->view()->find_topic("t");
  ASSERT_EQ(wait_for<TopicReply>([&](TopicDone done) { broker_->delete_topic(made.id, std::move(done)); }).error, TopicError::none);
  EXPECT_EQ(broker_->view()->find_topic("t"), nullptr);
  log::BatchBuilder builder;
  builder.add(1, std::nullopt, std::nullopt, {});
  EXPECT_EQ(wait_for<ProduceReply>([&](ProduceDone done) {
              broker_->produce(topic, log::PartitionId(0), builder.finish(-1).value(), std::move(done));
            }).error,
            ProduceError::unknown_topic_or_partition);
  EXPECT_EQ(create({.name = "t"}).error, TopicError::none);
  EXPECT_EQ(produce("t", "v").base_offset, log::Offset(0));
}

// Offsets of a group, over the real topic.
class BrokerGroupsTest : public BrokerTest {
 protected:
  template <typename R>
  R ask(const std::function<void(Groups&, Reply<R>)>& what) {
    return wait_for<R>([&](std::function<void(R)> done) {
      broker_->with_groups([&, done = std::move(done)](Groups& groups) { what(groups, [done](R reply) { done(std::move(reply)); }); });
    });
  }
  std::vector<GroupError> commit(const std::string& topic, std::int64_t offset) {
    return ask<CommitReply>([&](Groups& groups, Reply<CommitReply> reply) {
             const auto view = broker_->view()->find_topic(topic);
             groups.commit({.group = {"g"},
                            .member = {},
                            .entries = {{.partition = {topic, log::PartitionId(0)},
                                         .topic_id = view == nullptr ? log::TopicId{} : view->id,
                                         .offset = log::Offset(offset),
                                         .metadata = {}}}},
                           std::move(reply));
           })
        .errors;
  }
  std::int64_t offset_of(const std::string& topic) {
    const auto reply = ask<OffsetsReply>([&](Groups& groups, Reply<OffsetsReply> done) {
      groups.offsets({.group = {"g"}, .partitions = {{{topic, log::PartitionId(0)}}}}, std::move(done));
    });
    return reply.offsets.at(0).offset.value();
  }
};

TEST_F(BrokerGroupsTest, CommittedOffsetsAreThereAfterARestartAndTheirTopicIsHidden) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  ASSERT_EQ(produce("t", "v").error, ProduceError::none);
  EXPECT_EQ(commit("t", 1), std::vector<GroupError>{GroupError::none});
  EXPECT_EQ(offset_of("t"), 1);
  EXPECT_NE(broker_->view()->find_topic(GroupTopic::kName), nullptr);
  EXPECT_TRUE(Broker::is_internal(GroupTopic::kName));
  restart();
  EXPECT_EQ(offset_of("t"), 1);
  EXPECT_EQ(offset_of("u"), -1);
}

TEST_F(BrokerGroupsTest, OffsetsGoWithTheirTopicAndAreLoweredToItsEnd) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  EXPECT_EQ(commit("t", 7), std::vector<GroupError>{GroupError::none});  // past the end: a client may say so
  restart();
  EXPECT_EQ(offset_of("t"), 0);
  const auto id = broker_->view()->find_topic("t")->id;
  EXPECT_EQ(commit("t", 3), std::vector<GroupError>{GroupError::none});
  ASSERT_EQ(wait_for<TopicReply>([&](TopicDone done) { broker_->delete_topic(id, std::move(done)); }).error, TopicError::none);
  EXPECT_EQ(offset_of("t"), -1);
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  EXPECT_EQ(offset_of("t"), -1);
}

TEST_F(BrokerGroupsTest, ManyCommitsDoNotMakeTheNextStartReadThemAll) {
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  const std::string metadata(4'000, 'm');
  for (int i = 0; i < 2'000; ++i) {
    ASSERT_EQ(ask<CommitReply>([&](Groups& groups, Reply<CommitReply> reply) {
                groups.commit({.group = {"g"},
                               .member = {},
                               .entries = {{.partition = {"t", log::PartitionId(0)}, .topic_id = {}, .offset = log::Offset(0), .metadata = metadata}}},
                              std::move(reply));
              }).errors.at(0),
              GroupError::none);
  }
  ASSERT_TRUE(core_->run([]() -> Status { return {}; }));  // what the last snapshot has begun is done
  const auto stats = wait_for<GroupStats>([&](std::function<void(GroupStats)> done) {
    broker_->with_groups([done](Groups& groups) { done(groups.stats()); });
  });
  EXPECT_GE(stats.snapshots, 1u);
  const auto reader = broker_->view()->find_topic(GroupTopic::kName)->partitions[0];
  EXPECT_GT(reader->bounds().log_start.value(), 0);
  restart();
  EXPECT_EQ(offset_of("t"), 0);
}

TEST_F(BrokerTest, OldSegmentsLeaveByThemselves) {
  constexpr std::int64_t kMinute = 60'000'000'000;
  options_.retention_check_ms = 300'000;
  restart();
  ASSERT_EQ(create({.name = "t", .settings = {{"segment.bytes", "4096"}, {"retention.bytes", "9000"}}}).error, TopicError::none);
  ASSERT_EQ(create({.name = "kept", .settings = {{"segment.bytes", "4096"}}}).error, TopicError::none);
  for (int i = 0; i < 40; ++i) {
    for (const char* name : {"t", "kept"}) ASSERT_EQ(produce(name, std::string(900, 'v')).error, ProduceError::none);
  }
  const auto start_of = [&](const char* name) { return broker_->view()->find_topic(name)->partitions[0]->bounds().log_start.value(); };
  world_.run_for(4 * kMinute);
  EXPECT_EQ(start_of("t"), 0);
  world_.run_for(2 * kMinute);
  const std::int64_t first = start_of("t");
  EXPECT_GT(first, 20);
  EXPECT_LT(broker_->view()->find_topic("t")->partitions[0]->bytes(), 9'000u + 4'096u);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(produce("t", std::string(900, 'v')).error, ProduceError::none);
  world_.run_for(5 * kMinute);
  EXPECT_GT(start_of("t"), first + 10);
  EXPECT_EQ(start_of("kept"), 0);
  restart();
  EXPECT_GT(start_of("t"), first + 10);
}

TEST_F(BrokerTest, AContextLosesEventsOnlyWhereItMay) {
  const log::Settings event = {{"baton.kind", "event"}};
  EXPECT_EQ(create({.name = "a", .settings = {{"baton.kind", "event"}, {"retention.ms", "5"}}}).error, TopicError::invalid_config);
  ASSERT_EQ(create({.name = "rides", .settings = event}).error, TopicError::none);
  EXPECT_EQ(configure("rides", {{"retention.bytes", "5"}}).error, TopicError::invalid_config);
  EXPECT_EQ(configure("rides", {{"retention.bytes", "-1"}}).error, TopicError::none);
  EXPECT_EQ(configure("rides", {{"retention.bytes", "5"}, {"baton.history.deletable", "true"}}).error, TopicError::none);
  EXPECT_EQ(configure("rides", {{"retention.ms", "5"}}).error, TopicError::none);
  EXPECT_EQ(configure("rides", {}, {"baton.history.deletable"}).error, TopicError::invalid_config);
  EXPECT_EQ(broker_->view()->find("rides")->options.retention_bytes, 5);
}

TEST_F(BrokerTest, ANewPlainTopicIsGivenTheRetentionOfTheServer) {
  options_.retention_ms = 5'000;
  restart();
  ASSERT_EQ(create({.name = "t"}).error, TopicError::none);
  ASSERT_EQ(create({.name = "own", .settings = {{"retention.ms", "-1"}}}).error, TopicError::none);
  ASSERT_EQ(create({.name = "rides", .settings = {{"baton.kind", "event"}}}).error, TopicError::none);
  const auto retention = [&](const char* name) { return broker_->view()->find_topic(name)->config.retention_ms; };
  EXPECT_EQ(retention("t"), 5'000);
  EXPECT_EQ(retention("own"), std::nullopt);
  EXPECT_EQ(retention("rides"), std::nullopt);
  EXPECT_EQ(configure("own", {}, {"retention.ms"}).error, TopicError::none);
  EXPECT_EQ(retention("own"), 5'000);
}

TEST_F(BrokerTest, AProducerIdIsNeverGivenTwice) {
  const std::int64_t first = broker_->new_producer_id();
  EXPECT_NE(broker_->new_producer_id(), first);
  restart();
  EXPECT_GT(broker_->new_producer_id(), first + 1);
}

TEST_F(BrokerTest, ARoundWakesThoseThatWaitForItsPartitionsAndNobodyElse) {
  ASSERT_EQ(create({.name = "a"}).error, TopicError::none);
  ASSERT_EQ(create({.name = "b"}).error, TopicError::none);
  int woken_a = 0;
  int woken_b = 0;
  const log::PartitionKey a{broker_->view()->find_topic("a")->id, log::PartitionId(0)};
  const log::PartitionKey b{broker_->view()->find_topic("b")->id, log::PartitionId(0)};
  auto waits_a = broker_->fetch_waiters().wait({a, a}, [&] { ++woken_a; });
  const auto waits_b = broker_->fetch_waiters().wait({b}, [&] { ++woken_b; });
  ASSERT_EQ(produce("a", "v").error, ProduceError::none);
  EXPECT_EQ(woken_a, 1);
  EXPECT_EQ(woken_b, 0);
  waits_a = nullptr;
  ASSERT_EQ(produce("a", "v").error, ProduceError::none);
  EXPECT_EQ(woken_a, 1);
  EXPECT_EQ(broker_->fetch_waiters().size(), 1u);
}

}  // namespace
}  // namespace baton::broker
