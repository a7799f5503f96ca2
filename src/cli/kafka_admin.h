// What is asked of a cluster about topics and consumer groups.
#pragma once

#include "cli/kafka_client.h"

namespace baton::cli {

struct NewTopic {
  std::string name;
  int partitions = -1, replication = -1;  // -1: the broker's default
  std::vector<std::pair<std::string, std::string>> config;
};
[[nodiscard]] Status create_topic(KafkaClient& client, const NewTopic& topic);
[[nodiscard]] Status delete_topic(KafkaClient& client, const std::string& name);
// So many in all, more than there are.
[[nodiscard]] Status add_partitions(KafkaClient& client, const std::string& topic, int partitions);

struct TopicSetting {
  std::string name;
  std::optional<std::string> value;  // nothing: a secret
  bool own = false;                  // set on the topic, not taken from a default
  bool read_only = false;
};
[[nodiscard]] Result<std::vector<TopicSetting>> topic_settings(KafkaClient& client, const std::string& topic);
// Makes the topic's own settings those of `settings`, and all others their defaults.
[[nodiscard]] Status set_topic_settings(KafkaClient& client, const std::string& topic,
                                        const std::vector<std::pair<std::string, std::string>>& settings);

using TopicPartition = std::pair<std::string, std::int32_t>;
struct GroupListing {
  std::string name, state;
  bool simple = false;  // commits, and members that come and go without the group's protocol
};
struct GroupMember {
  std::string id, client, host, instance;
  std::vector<TopicPartition> partitions;
};
struct GroupDescription {
  std::string name, state, assignor;
  std::int32_t coordinator = -1;
  std::vector<GroupMember> members;
};
[[nodiscard]] Result<std::vector<GroupListing>> list_groups(KafkaClient& client);
[[nodiscard]] Result<GroupDescription> describe_group(KafkaClient& client, const std::string& name);  // not_found
[[nodiscard]] Result<std::map<TopicPartition, std::int64_t>> group_offsets(KafkaClient& client, const std::string& name);
[[nodiscard]] Status set_group_offsets(KafkaClient& client, const std::string& name,
                                       const std::map<TopicPartition, std::int64_t>& offsets);
[[nodiscard]] Status delete_group(KafkaClient& client, const std::string& name);

}  // namespace baton::cli
