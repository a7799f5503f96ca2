// What administrators ask: settings of topics and of the broker, sizes, metadata in pages.
#include <algorithm>
#include <map>

#include "kafka/session_test_support.h"

namespace baton::kafka {
namespace {

using wire::ErrorCode;
using Described = wire::DescribeConfigsResponse::DescribeConfigsResult;
using Entry = wire::DescribeConfigsResponse::DescribeConfigsResourceResult;

constexpr std::int8_t kTopic = 2;
constexpr std::int8_t kBroker = 4;

class AdminTest : public SessionTest {
 protected:
  Described describe(std::int8_t type, std::string_view name, std::optional<std::vector<std::string_view>> keys = std::nullopt, std::int16_t version = 4,
                     bool synonyms = false, bool documentation = false) {
    wire::DescribeConfigsRequest request;
    request.resources.push_back({.resource_type = type, .resource_name = name, .configuration_keys = std::move(keys)});
    request.include_synonyms = synonyms;
    request.include_documentation = version >= 3 && documentation;
    return call<wire::DescribeConfigsResponse>(request, version).results.at(0);
  }
  Entry entry(std::int8_t type, std::string_view name, std::string_view key, bool synonyms = false, bool documentation = false) {
    const Described described = describe(type, name, std::vector{key}, 4, synonyms, documentation);
    EXPECT_EQ(described.error_code, ErrorCode::none);
    EXPECT_EQ(described.configs.size(), 1u) << key;
    return described.configs.empty() ? Entry{} : described.configs[0];
  }
  // "value from source"
  std::string shown(std::string_view topic, std::string_view key) {
    const Entry found = entry(kTopic, topic, key);
    return found.value.value_or("null") + " from " + std::to_string(found.config_source);
  }

  struct Change {
    std::string_view name;
    std::int8_t operation = 0;
    std::optional<std::string_view> value;
  };
  wire::IncrementalAlterConfigsResponse::AlterConfigsResourceResponse change(std::string_view topic, const std::vector<Change>& changes,
                                                                             bool validate_only = false, std::int8_t type = kTopic,
                                                                             std::int16_t version = 1) {
    wire::IncrementalAlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = type;
    resource.resource_name = topic;
    for (const Change& c : changes) resource.configs.push_back({.name = c.name, .config_operation = c.operation, .value = c.value});
    request.validate_only = validate_only;
    return call<wire::IncrementalAlterConfigsResponse>(request, version).responses.at(0);
  }
  wire::AlterConfigsResponse::AlterConfigsResourceResponse replace(std::string_view topic, const std::vector<std::pair<std::string_view, std::string_view>>& all,
                                                                   std::int16_t version = 2) {
    wire::AlterConfigsRequest request;
    auto& resource = request.resources.emplace_back();
    resource.resource_type = kTopic;
    resource.resource_name = topic;
    for (const auto& [name, value] : all) resource.configs.push_back({.name = name, .value = value});
    return call<wire::AlterConfigsResponse>(request, version).responses.at(0);
  }
  wire::CreateTopicsResponse::CreatableTopicResult create_with(std::string_view name, const std::vector<std::pair<std::string_view, std::string_view>>& configs,
                                                               bool validate_only = false, std::int16_t version = 7) {
    wire::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    for (const auto& [key, value] : configs) topic.configs.push_back({.name = key, .value = value});
    request.validate_only = validate_only;
    return call<wire::CreateTopicsResponse>(request, version).topics.at(0);
  }
};

TEST_F(AdminTest, ATopicsSettingsAreAllShownWithWhereTheyComeFrom) {
  ASSERT_EQ(create_with("t", {{"retention.ms", "1000"}, {"cleanup.policy", "delete"}}).error_code, ErrorCode::none);
  for (std::int16_t version = 1; version <= 4; ++version) {
    const Described all = describe(kTopic, "t", std::nullopt, version, true, true);
    EXPECT_EQ(all.error_code, ErrorCode::none);
    EXPECT_EQ(all.error_message, "");
    EXPECT_EQ(all.resource_name, "t");
    EXPECT_GT(all.configs.size(), 25u);
    EXPECT_TRUE(std::ranges::is_sorted(all.configs, {}, &Entry::name));
    for (const Entry& config : all.configs) {
      EXPECT_FALSE(config.is_sensitive);
      EXPECT_EQ(config.synonyms.empty(), false) << config.name;
      if (version >= 3) EXPECT_GT(config.documentation.value_or("").size(), 20u) << config.name;
      if (version >= 3) EXPECT_NE(config.config_type, 0) << config.name;
    }
  }
  EXPECT_EQ(shown("t", "retention.ms"), "1000 from 1");
  EXPECT_EQ(shown("t", "cleanup.policy"), "delete from 5");  // set, and the default all the same
  EXPECT_EQ(shown("t", "retention.bytes"), "-1 from 5");
  EXPECT_EQ(shown("t", "segment.bytes"), "1048576 from 4");  // of the server
  EXPECT_EQ(shown("t", "baton.kind"), "plain from 5");
  EXPECT_TRUE(entry(kTopic, "t", "baton.kind").read_only);
  EXPECT_FALSE(entry(kTopic, "t", "retention.ms").read_only);
  EXPECT_EQ(entry(kTopic, "t", "retention.ms").config_type, 5);
  EXPECT_EQ(entry(kTopic, "t", "max.message.bytes").config_type, 3);
  EXPECT_EQ(entry(kTopic, "t", "cleanup.policy").config_type, 7);
  EXPECT_EQ(entry(kTopic, "t", "preallocate").config_type, 1);
  EXPECT_FALSE(entry(kTopic, "t", "preallocate").documentation.has_value());
  const Entry synonyms = entry(kTopic, "t", "retention.ms", true);
  ASSERT_EQ(synonyms.synonyms.size(), 2u);
  EXPECT_EQ(synonyms.synonyms[0].name + *synonyms.synonyms[0].value, "retention.ms1000");
  EXPECT_EQ(synonyms.synonyms[1].name + *synonyms.synonyms[1].value, "log.retention.ms-1");
  EXPECT_EQ(synonyms.synonyms[1].source, 5);
  ASSERT_EQ(create_with("sized", {{"segment.bytes", "8192"}}).error_code, ErrorCode::none);
  const Entry sized = entry(kTopic, "sized", "segment.bytes", true);
  ASSERT_EQ(sized.synonyms.size(), 2u);
  EXPECT_EQ(sized.synonyms[1].name + *sized.synonyms[1].value, "log.segment.bytes1048576");
  EXPECT_EQ(sized.synonyms[1].source, 4);
  EXPECT_TRUE(describe(kTopic, "t", std::vector<std::string_view>{"no.such.key"}).configs.empty());
}

TEST_F(AdminTest, AContextShowsItsOwnSettings) {
  ASSERT_EQ(create_with("rides", {{"baton.kind", "event"}, {"baton.default.type", "Rode"}, {"segment.bytes", "8192"}}).error_code, ErrorCode::none);
  EXPECT_EQ(shown("rides", "baton.kind"), "event from 1");
  EXPECT_EQ(shown("rides", "baton.default.type"), "Rode from 1");
  EXPECT_EQ(shown("rides", "segment.bytes"), "8192 from 1");
  EXPECT_EQ(shown("rides", "baton.partitioner"), "murmur2 from 5");
  EXPECT_TRUE(entry(kTopic, "rides", "baton.partitioner").read_only);
  EXPECT_TRUE(describe(kTopic, "rides", std::vector<std::string_view>{"max.message.bytes"}).configs.empty());
  EXPECT_EQ(change("rides", {{"baton.default.type", 0, "Rides"}, {"baton.data.bytes.max", 0, "2048"}}).error_code, ErrorCode::none);
  EXPECT_EQ(shown("rides", "baton.default.type"), "Rides from 1");
  EXPECT_EQ(broker_->view()->find("rides")->options.data_bytes_max, 2048u);
  EXPECT_EQ(change("rides", {{"baton.data.bytes.max", 1, std::nullopt}}).error_code, ErrorCode::none);
  EXPECT_EQ(shown("rides", "baton.data.bytes.max"), "1024 from 5");
  EXPECT_EQ(change("rides", {{"baton.partitioner", 0, "crc32"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("rides", {{"baton.partitioner", 0, "murmur2"}}).error_code, ErrorCode::none);  // as it is
  restart(true);
  EXPECT_EQ(shown("rides", "baton.default.type"), "Rides from 1");
  EXPECT_EQ(shown("rides", "segment.bytes"), "8192 from 1");
}

TEST_F(AdminTest, TheBrokerShowsWhatConsolesAskFor) {
  for (const std::string_view name : {std::string_view("1"), std::string_view()}) {
    const Described all = describe(kBroker, name, std::nullopt, 4, true, true);
    ASSERT_EQ(all.error_code, ErrorCode::none);
    std::map<std::string, std::string> values;
    for (const Entry& config : all.configs) {
      EXPECT_TRUE(config.read_only) << config.name;
      EXPECT_TRUE(values.emplace(config.name, config.value.value_or("null")).second) << config.name;
    }
    EXPECT_EQ(values["advertised.listeners"], "PLAINTEXT://127.0.0.1:9092");
    EXPECT_EQ(values["auto.create.topics.enable"], "true");
    EXPECT_EQ(values["num.partitions"], "1");
    EXPECT_EQ(values["log.retention.ms"], "-1");
    EXPECT_EQ(values["log.segment.bytes"], "1048576");
    EXPECT_EQ(values["message.max.bytes"], "1048588");
    EXPECT_EQ(values["offsets.retention.minutes"], "10080");
    EXPECT_EQ(values["group.max.size"], "5000");
    EXPECT_EQ(values["inter.broker.protocol.version"], "4.0-IV3");
    for (const char* key : {"listeners", "default.replication.factor", "min.insync.replicas", "compression.type", "log.cleanup.policy",
                            "log.message.timestamp.type", "log.dirs", "node.id"}) {
      EXPECT_TRUE(values.contains(key)) << key;
    }
  }
  EXPECT_EQ(entry(kBroker, "1", "log.segment.bytes").config_source, 4);
  EXPECT_EQ(entry(kBroker, "1", "num.partitions").config_source, 5);
}

TEST_F(AdminTest, WhatHasNoSettingsIsRefused) {
  EXPECT_EQ(describe(kTopic, "missing").error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(describe(kTopic, "no/slash").error_code, ErrorCode::invalid_topic_exception);
  EXPECT_EQ(describe(kTopic, "__baton_groups").error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(describe(kBroker, "2").error_code, ErrorCode::invalid_request);
  EXPECT_EQ(describe(kBroker, "one").error_code, ErrorCode::invalid_request);
  for (const int type : {0, 8, 16, 32, 99}) {
    EXPECT_EQ(describe(static_cast<std::int8_t>(type), "g").error_code, ErrorCode::invalid_request) << type;
    EXPECT_EQ(change("g", {{"a", 0, "b"}}, false, static_cast<std::int8_t>(type)).error_code, ErrorCode::invalid_request) << type;
  }
  EXPECT_EQ(*describe(32, "g").error_message, "Unsupported resource type: GROUP");
}

TEST_F(AdminTest, SingleSettingsAreSetAndGoBackToTheirDefaults) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  for (std::int16_t version = 0; version <= 1; ++version) {
    EXPECT_EQ(change("t", {{"retention.ms", 0, "5000"}, {"segment.bytes", 0, "8192"}}, false, kTopic, version).error_code, ErrorCode::none);
    EXPECT_EQ(shown("t", "retention.ms"), "5000 from 1");
    EXPECT_EQ(shown("t", "segment.bytes"), "8192 from 1");
    EXPECT_EQ(change("t", {{"retention.ms", 1, std::nullopt}, {"segment.bytes", 1, std::nullopt}}, false, kTopic, version).error_code, ErrorCode::none);
    EXPECT_EQ(shown("t", "retention.ms"), "-1 from 5");
    EXPECT_EQ(shown("t", "segment.bytes"), "1048576 from 4");
  }
  EXPECT_EQ(change("t", {{"retention.ms", 0, "6000"}}, true).error_code, ErrorCode::none);
  EXPECT_EQ(shown("t", "retention.ms"), "-1 from 5");
  EXPECT_EQ(change("t", {{"cleanup.policy", 2, "delete"}}).error_code, ErrorCode::none);
  EXPECT_EQ(shown("t", "cleanup.policy"), "delete from 5");
  restart(false);
  EXPECT_EQ(shown("t", "segment.bytes"), "1048576 from 4");
}

TEST_F(AdminTest, WhatCannotBeSetIsRefusedAndChangesNothing) {
  ASSERT_EQ(create_topic("t").error_code, ErrorCode::none);
  EXPECT_EQ(change("t", {{"retention.ms", 0, "1"}, {"retention.ms", 1, std::nullopt}}).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(change("t", {{"retention.ms", 0, "1"}, {"retention.sm", 0, "1"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("t", {{"retention.ms", 0, "long"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("t", {{"retention.ms", 0, std::nullopt}}).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(change("t", {{"retention.ms", 2, "1"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("t", {{"cleanup.policy", 2, "compact"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("t", {{"cleanup.policy", 3, "delete"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("t", {{"retention.ms", 4, "1"}}).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(change("t", {{"baton.kind", 0, "event"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(change("missing", {{"retention.ms", 0, "1"}}).error_code, ErrorCode::unknown_topic_or_partition);
  const auto broker = change("1", {{"num.partitions", 0, "2"}}, false, kBroker);
  EXPECT_EQ(broker.error_code, ErrorCode::invalid_request);
  EXPECT_TRUE(broker.error_message->contains("baton.yaml"));
  wire::IncrementalAlterConfigsRequest twice;
  for (int i = 0; i < 2; ++i) twice.resources.push_back({.resource_type = kTopic, .resource_name = "t", .configs = {}});
  const auto refused = call<wire::IncrementalAlterConfigsResponse>(twice, 1);
  EXPECT_EQ(refused.responses.at(0).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(refused.responses.at(1).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(shown("t", "retention.ms"), "-1 from 5");
}

TEST_F(AdminTest, AlterConfigsResetsWhatItDoesNotName) {
  ASSERT_EQ(create_with("t", {{"retention.ms", "1000"}, {"retention.bytes", "2000"}}).error_code, ErrorCode::none);
  for (std::int16_t version = 0; version <= 2; ++version) {
    EXPECT_EQ(replace("t", {{"retention.ms", "3000"}, {"baton.kind", "plain"}}, version).error_code, ErrorCode::none);
    EXPECT_EQ(shown("t", "retention.ms"), "3000 from 1");
    EXPECT_EQ(shown("t", "retention.bytes"), "-1 from 5");
    EXPECT_EQ(replace("t", {{"retention.bytes", "4000"}}, version).error_code, ErrorCode::none);
    EXPECT_EQ(shown("t", "retention.ms"), "-1 from 5");
    EXPECT_EQ(shown("t", "retention.bytes"), "4000 from 1");
  }
  EXPECT_EQ(replace("t", {{"retention.ms", "1"}, {"retention.ms", "2"}}).error_code, ErrorCode::invalid_request);
  EXPECT_EQ(replace("t", {{"retention.sm", "1"}}).error_code, ErrorCode::invalid_config);
  EXPECT_EQ(replace("missing", {}).error_code, ErrorCode::unknown_topic_or_partition);
}

TEST_F(AdminTest, ANewTopicIsAnsweredWithItsSettings) {
  for (const bool validate_only : {true, false}) {
    const auto made = create_with("t", {{"retention.ms", "1000"}}, validate_only);
    ASSERT_EQ(made.error_code, ErrorCode::none);
    ASSERT_TRUE(made.configs.has_value());
    const auto found = std::ranges::find(*made.configs, "retention.ms", [](const auto& config) { return config.name; });
    ASSERT_NE(found, made.configs->end());
    EXPECT_EQ(*found->value, "1000");
    EXPECT_EQ(found->config_source, 1);
    EXPECT_GT(made.configs->size(), 25u);
  }
}

TEST_F(AdminTest, TheDirectoryHasItsPartitionsWithTheirSizes) {
  ASSERT_EQ(create_topic("t", 2).error_code, ErrorCode::none);
  ASSERT_EQ(produce("t", batch_of("v")).error_code, ErrorCode::none);
  wire::DescribeLogDirsRequest all;
  all.topics.reset();
  for (std::int16_t version = 1; version <= 5; ++version) {
    const auto directory = call<wire::DescribeLogDirsResponse>(all, version).results.at(0);
    EXPECT_EQ(directory.error_code, ErrorCode::none);
    EXPECT_EQ(directory.log_dir, "/data");
    ASSERT_EQ(directory.topics.size(), 1u);
    ASSERT_EQ(directory.topics[0].partitions.size(), 2u);
    EXPECT_GT(directory.topics[0].partitions[0].partition_size, 60);
    EXPECT_EQ(directory.topics[0].partitions[0].offset_lag, 0);
    if (version >= 4) EXPECT_GT(directory.total_bytes, directory.usable_bytes);
  }
  wire::DescribeLogDirsRequest some;
  some.topics.emplace();
  some.topics->push_back({.topic = "t", .partitions = {1, 7, 1}});
  some.topics->push_back({.topic = "missing", .partitions = {0}});
  const auto directory = call<wire::DescribeLogDirsResponse>(some, 4).results.at(0);
  ASSERT_EQ(directory.topics.size(), 1u);
  ASSERT_EQ(directory.topics[0].partitions.size(), 1u);
  EXPECT_EQ(directory.topics[0].partitions[0].partition_index, 1);
}

TEST_F(AdminTest, MetadataComesInPages) {
  for (const auto& [name, partitions] : {std::pair{"a", 3}, std::pair{"b", 2}, std::pair{"c", 1}}) ASSERT_EQ(create_topic(name, partitions).error_code, ErrorCode::none);
  std::vector<std::string> seen;
  wire::DescribeTopicPartitionsRequest request;
  request.response_partition_limit = 2;
  std::string at;
  for (int page = 0; page < 10; ++page) {
    const auto response = call<wire::DescribeTopicPartitionsResponse>(request, 0);
    for (const auto& topic : response.topics) {
      EXPECT_EQ(topic.error_code, ErrorCode::none);
      for (const auto& partition : topic.partitions) {
        seen.push_back(*topic.name + std::to_string(partition.partition_index));
        EXPECT_EQ(partition.leader_id, 1);
      }
    }
    if (!response.next_cursor) break;
    at = response.next_cursor->topic_name;
    request.cursor = wire::DescribeTopicPartitionsRequest::Cursor{.topic_name = at, .partition_index = response.next_cursor->partition_index};
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a0", "a1", "a2", "b0", "b1", "c0"}));
  wire::DescribeTopicPartitionsRequest named;
  for (const char* name : {"no/slash", "missing", "c", "c"}) named.topics.push_back({.name = name});
  const auto response = call<wire::DescribeTopicPartitionsResponse>(named, 0);
  ASSERT_EQ(response.topics.size(), 3u);
  EXPECT_EQ(response.topics[0].error_code, ErrorCode::none);
  EXPECT_EQ(response.topics[1].error_code, ErrorCode::unknown_topic_or_partition);
  EXPECT_EQ(response.topics[2].error_code, ErrorCode::invalid_topic_exception);
  EXPECT_FALSE(response.next_cursor.has_value());
  named.cursor = wire::DescribeTopicPartitionsRequest::Cursor{.topic_name = "c", .partition_index = -1};
  EXPECT_EQ(call<wire::DescribeTopicPartitionsResponse>(named, 0).topics.at(0).error_code, ErrorCode::invalid_request);
}

}  // namespace
}  // namespace baton::kafka
