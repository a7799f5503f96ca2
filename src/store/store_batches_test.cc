// Batches of plain topics on their way through the store's core.
#include <gtest/gtest.h>

#include "log/batch.h"
#include "os/sim_env.h"
#include "store/store_core.h"
#include "store/store_test_support.h"

namespace baton::store {
namespace {

base::Bytes batch_of(std::string_view value, int records = 1, std::int64_t producer = -1, std::int32_t sequence = -1) {
  log::BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add(5000 + i, base::as_bytes("key"), base::as_bytes(value), {});
  log::BatchHeader fields;
  fields.producer_id = producer;
  fields.producer_epoch = producer < 0 ? std::int16_t{-1} : std::int16_t{0};
  fields.base_sequence = sequence;
  return builder.finish(-1, fields).value();
}

class StoreBatches : public ::testing::Test {
 protected:
  StoreBatches() { start(); }
  ~StoreBatches() override {
    core_ = nullptr;
    env_ = nullptr;
  }
  void start() {
    env_ = std::make_unique<os::SimEnv>(world_);
    auto opened = StoreCore::open(*env_, "/data", testing::small_options());
    ASSERT_TRUE(opened) << opened.error().to_string();
    core_ = *std::move(opened);
  }
  void restart(bool close) {
    if (close) {
      ASSERT_TRUE(core_->close());
    } else {
      env_->kill();
    }
    core_ = nullptr;
    env_ = nullptr;
    start();
  }
  log::PartitionKey make_topic(const std::string& name) {
    log::TopicId id;
    EXPECT_TRUE(core_->run([&]() -> Status {
      auto made = core_->create_topic(name, 1, {});
      if (!made) return made.error();
      id = *made;
      return {};
    }));
    return {id, log::PartitionId(0)};
  }
  Result<BatchAppended> append(const log::PartitionKey& key, base::Bytes batch, bool append_time = false) {
    const auto waiter = env_->make_waiter();
    std::optional<Result<BatchAppended>> answer;
    auto request = std::make_unique<BatchRequest>();
    request->partition = key;
    request->batch = std::move(batch);
    request->append_time = append_time;
    request->done = [&](Result<BatchAppended> result) {
      answer = std::move(result);
      waiter->wake();
    };
    core_->submit(std::move(request));
    waiter->wait();
    return *std::move(answer);
  }
  log::BatchHeader read_batch(const log::PartitionKey& key, std::int64_t offset) {
    base::Bytes bytes;
    const auto topic = core_->view()->find_topic(key.topic);
    const auto read = topic->partitions[0]->read(log::Offset(offset), 1, bytes);
    EXPECT_TRUE(read.ok() && read->first) << offset;
    return log::check_batch(bytes).value();
  }

  os::SimWorld world_{os::SimOptions{}};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<StoreCore> core_;
};

TEST_F(StoreBatches, ABatchIsStoredAsItCameUnderTheNextOffset) {
  const auto key = make_topic("Plain.Topic");
  EXPECT_EQ(append(key, batch_of("a", 3)).value().base_offset, log::Offset(0));
  const auto second = append(key, batch_of("b"));
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_EQ(second->base_offset, log::Offset(3));
  EXPECT_EQ(second->append_ms, -1);
  const log::BatchHeader header = read_batch(key, 0);
  EXPECT_EQ(header.record_count, 3);
  EXPECT_EQ(header.max_timestamp, 5002);
  EXPECT_FALSE(header.log_append_time());
}

TEST_F(StoreBatches, WithLogAppendTimeTheBatchHasTheTimeOfItsAppend) {
  const auto key = make_topic("t");
  const auto appended = append(key, batch_of("a"), true);
  ASSERT_TRUE(appended);
  const log::BatchHeader header = read_batch(key, 0);
  EXPECT_TRUE(header.log_append_time());
  EXPECT_EQ(header.max_timestamp, appended->append_ms);
}

TEST_F(StoreBatches, EventsAndBatchesShareARoundAndBothSurviveAKill) {
  const auto key = make_topic("t");
  std::vector<std::string> done;
  const auto waiter = env_->make_waiter();
  auto events = std::make_unique<AppendRequest>();
  events->append = testing::append_of("ride-1", Expect::no_stream(), {testing::event("Started")});
  events->done = [&](Result<Appended> result) { done.push_back(result ? "events" : result.error().to_string()); };
  auto batch = std::make_unique<BatchRequest>();
  batch->partition = key;
  batch->batch = batch_of("a");
  batch->done = [&](Result<BatchAppended> result) {
    done.push_back(result ? "batch" : result.error().to_string());
    waiter->wake();
  };
  core_->submit(std::move(events));
  core_->submit(std::move(batch));
  waiter->wait();
  EXPECT_EQ(done, (std::vector<std::string>{"events", "batch"}));
  restart(false);
  EXPECT_EQ(read_batch(key, 0).record_count, 1);
  EXPECT_EQ(core_->view()->topics().size(), 2u);
  EXPECT_EQ(core_->view()->find_topic("rides")->kind, log::TopicKind::event);
  EXPECT_EQ(core_->view()->find_topic("t")->partitions.size(), 1u);
}

// F32, F33.
TEST_F(StoreBatches, ABatchThatIsSentAgainHasItsFirstOffsetAlsoAfterARestart) {
  const auto key = make_topic("t");
  ASSERT_TRUE(append(key, batch_of("a", 2, 7, 0)));
  ASSERT_TRUE(append(key, batch_of("b", 1, 7, 2)));
  for (const bool close : {true, false}) {
    restart(close);
    const auto again = append(key, batch_of("a", 2, 7, 0));
    ASSERT_TRUE(again) << again.error().to_string();
    EXPECT_TRUE(again->duplicate);
    EXPECT_EQ(again->base_offset, log::Offset(0));
    EXPECT_EQ(append(key, batch_of("d", 1, 7, 4)).error().code, Code::out_of_order);
  }
  EXPECT_EQ(append(key, batch_of("c", 1, 7, 3)).value().base_offset, log::Offset(3));
}

TEST_F(StoreBatches, ABatchForAContextOrForATopicThatIsGoneIsRefused) {
  const auto key = make_topic("t");
  ASSERT_TRUE(core_->run([&] { return core_->create_context("rides", {}); }));
  const auto rides = core_->view()->find_topic("rides");
  EXPECT_EQ(append({rides->id, log::PartitionId(0)}, batch_of("a")).error().code, Code::invalid_argument);
  EXPECT_EQ(core_->run([&] { return core_->remove_topic(rides->id); }).error().code, Code::invalid_argument);
  ASSERT_TRUE(core_->run([&] { return core_->remove_topic(key.topic); }));
  EXPECT_EQ(core_->view()->find_topic("t"), nullptr);
  EXPECT_EQ(append(key, batch_of("a")).error().code, Code::not_found);
  EXPECT_EQ(append({log::TopicId{}, log::PartitionId(0)}, batch_of("a")).error().code, Code::not_found);
  const auto again = make_topic("t");
  EXPECT_NE(again.topic, key.topic);
  restart(false);
  EXPECT_EQ(core_->view()->find_topic("t")->id, again.topic);
}

// What a round has staged is compared with what comes after it in the same round.
TEST_F(StoreBatches, AnEventThatAnEarlierBatchOfTheSameRoundHasIsKnown) {
  ASSERT_TRUE(core_->run([&] { return core_->create_context("rides", {}); }));
  const auto waiter = env_->make_waiter();
  std::vector<ProducedReply> replies;
  const std::vector<std::string> ids = {"one", "two", "", "one"};
  for (const std::string& id : ids) {
    auto request = std::make_unique<ProducedRequest>();
    request->append = testing::append_of("ride-1", Expect::any(), {testing::event("Started", "{}", id)});
    request->append.duplicates = Append::Duplicates::skip;
    request->done = [&](ProducedReply reply) {
      replies.push_back(std::move(reply));
      if (replies.size() == ids.size()) waiter->wake();
    };
    core_->submit(std::move(request));
  }
  waiter->wait();
  EXPECT_EQ(core_->counts().rounds.load(), 1u);
  for (const ProducedReply& reply : replies) ASSERT_TRUE(reply.status) << reply.status.error().to_string();
  EXPECT_EQ(replies[2].batch.base_offset, log::Offset(2));
  EXPECT_TRUE(replies[3].batch.duplicate);
  EXPECT_EQ(replies[3].batch.base_offset, log::Offset(0));
}

// Staging takes a while when a segment is full, and time goes on.
TEST_F(StoreBatches, AProducerIsToldTheAppendTimeThatItsEventsHave) {
  ASSERT_TRUE(core_->run([&] { return core_->create_context("rides", {}); }));
  const auto rides = core_->view()->find_topic("rides");
  std::vector<BatchAppended> told;
  const auto waiter = env_->make_waiter();
  for (int i = 0; i < 40; ++i) {
    auto request = std::make_unique<ProducedRequest>();
    request->append.context = "rides";
    request->append.duplicates = Append::Duplicates::skip;
    for (int e = 0; e < 100; ++e) {
      request->append.streams.push_back({.stream = "ride-1", .condition = {}, .events = {testing::event("Started", std::string(1000, 'x'))}});
    }
    request->done = [&](const ProducedReply& reply) {
      told.push_back(reply.batch);
      waiter->wake();
    };
    core_->submit(std::move(request));
    waiter->wait();
  }
  for (const BatchAppended& batch : told) {
    EXPECT_EQ(read_batch({rides->id, log::PartitionId(0)}, batch.base_offset.value()).max_timestamp, batch.append_ms);
  }
}

TEST_F(StoreBatches, TheListenerOfRoundsIsToldWhichPartitionsMoved) {
  const auto key = make_topic("t");
  std::vector<log::PartitionKey> moved;
  ASSERT_TRUE(core_->run([&]() -> Status {
    core_->set_round_listener([&](const std::vector<log::PartitionKey>& keys) { moved.insert(moved.end(), keys.begin(), keys.end()); });
    return {};
  }));
  ASSERT_TRUE(append(key, batch_of("a")));
  EXPECT_EQ(moved, std::vector<log::PartitionKey>{key});
}

TEST_F(StoreBatches, ATaskThatIsNotWaitedForRunsBetweenRoundsAndSaysHowItEnded) {
  const auto waiter = env_->make_waiter();
  Status outcome = Error{Code::internal, "not run"};
  core_->run_async([&]() -> Status { return core_->create_topic("t", 1, {}).ok() ? Status() : Status(Error{Code::internal, ""}); },
                   [&](Status status) {
                     outcome = std::move(status);
                     waiter->wake();
                   });
  waiter->wait();
  EXPECT_TRUE(outcome);
  EXPECT_NE(core_->view()->find_topic("t"), nullptr);
}

}  // namespace
}  // namespace baton::store
