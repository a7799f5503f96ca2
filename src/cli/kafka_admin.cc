#include "cli/kafka_admin.h"

#include <algorithm>

#include "base/try.h"

namespace baton::cli {
namespace {

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

Status status_of(const rd_kafka_topic_result_t** results, std::size_t count, const std::string& where) {
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto error = rd_kafka_topic_result_error(results[i]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(error, where, rd_kafka_topic_result_error_string(results[i]));
  }
  return {};
}

// Of the group, and of each partition that the answer has.
Status status_of(const rd_kafka_group_result_t** results, std::size_t count, const std::string& where) {
  for (std::size_t i = 0; i < count; ++i) {
    BATON_TRY(kafka_status(rd_kafka_group_result_error(results[i]), where));
    const auto* partitions = rd_kafka_group_result_partitions(results[i]);
    for (int j = 0; partitions != nullptr && j < partitions->cnt; ++j) {
      const auto& p = partitions->elems[j];
      if (p.err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_error(p.err, where + ", partition " + std::to_string(p.partition) + " of topic '" + p.topic + "'");
    }
  }
  return {};
}

std::string topic_named(const std::string& name) { return "topic '" + name + "'"; }
std::string group_named(const std::string& name) { return "group '" + name + "'"; }

}  // namespace

Status create_topic(KafkaClient& client, const NewTopic& topic) {
  char text[512] = "";
  RdPtr<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> request(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replication, text, sizeof text));
  if (!request) return Error{Code::invalid_argument, topic_named(topic.name) + ": " + text};
  for (const auto& [name, value] : topic.config) {
    if (const auto error = rd_kafka_NewTopic_set_config(request.get(), name.c_str(), value.c_str());
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(error, "--config " + name);
  }
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_CREATETOPICS, topic_named(topic.name), [&](const auto* options, auto* queue) {
                     rd_kafka_CreateTopics(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  const auto* const* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return status_of(const_cast<const rd_kafka_topic_result_t**>(results), count, topic_named(topic.name));
}

Status delete_topic(KafkaClient& client, const std::string& name) {
  RdPtr<rd_kafka_DeleteTopic_t, rd_kafka_DeleteTopic_destroy> request(rd_kafka_DeleteTopic_new(name.c_str()));
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_DELETETOPICS, topic_named(name), [&](const auto* options, auto* queue) {
                     rd_kafka_DeleteTopics(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  auto* results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return status_of(results, count, topic_named(name));
}

Status add_partitions(KafkaClient& client, const std::string& topic, int partitions) {
  char reason[512] = "";
  RdPtr<rd_kafka_NewPartitions_t, rd_kafka_NewPartitions_destroy> request(
      rd_kafka_NewPartitions_new(topic.c_str(), static_cast<std::size_t>(partitions), reason, sizeof reason));
  if (!request) return Error{Code::invalid_argument, topic_named(topic) + ": " + reason};
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, topic_named(topic), [&](const auto* options, auto* queue) {
                     rd_kafka_CreatePartitions(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  const auto* const* results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(event.get()), &count);
  return status_of(const_cast<const rd_kafka_topic_result_t**>(results), count, topic_named(topic));
}

Result<std::vector<TopicSetting>> topic_settings(KafkaClient& client, const std::string& topic) {
  RdPtr<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> request(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, topic_named(topic), [&](const auto* options, auto* queue) {
                     rd_kafka_DescribeConfigs(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  auto* resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  std::vector<TopicSetting> settings;
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto error = rd_kafka_ConfigResource_error(resources[i]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(error, topic_named(topic), rd_kafka_ConfigResource_error_string(resources[i]));
    std::size_t entries = 0;
    auto* entry = rd_kafka_ConfigResource_configs(resources[i], &entries);
    for (std::size_t j = 0; j < entries; ++j) {
      const char* value = rd_kafka_ConfigEntry_value(entry[j]);
      settings.push_back({.name = rd_kafka_ConfigEntry_name(entry[j]),
                          .value = value == nullptr ? std::nullopt : std::optional<std::string>(value),
                          .own = rd_kafka_ConfigEntry_source(entry[j]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG,
                          .read_only = rd_kafka_ConfigEntry_is_read_only(entry[j]) == 1});
    }
  }
  std::sort(settings.begin(), settings.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return settings;
}

Status set_topic_settings(KafkaClient& client, const std::string& topic,
                          const std::vector<std::pair<std::string, std::string>>& settings) {
  RdPtr<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> request(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  for (const auto& [name, value] : settings) {
    if (const auto error = rd_kafka_ConfigResource_set_config(request.get(), name.c_str(), value.c_str());
        error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(error, "setting '" + name + "'");
  }
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_ALTERCONFIGS, topic_named(topic), [&](const auto* options, auto* queue) {
                     rd_kafka_AlterConfigs(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  auto* resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto error = rd_kafka_ConfigResource_error(resources[i]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(error, topic_named(topic), rd_kafka_ConfigResource_error_string(resources[i]));
  }
  return {};
}

Result<std::vector<GroupListing>> list_groups(KafkaClient& client) {
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, "groups", [&](const auto* options, auto* queue) {
                     rd_kafka_ListConsumerGroups(client.get(), options, queue);
                   }));
  const auto* result = rd_kafka_event_ListConsumerGroups_result(event.get());
  std::size_t count = 0;
  auto* errors = rd_kafka_ListConsumerGroups_result_errors(result, &count);
  if (count > 0) BATON_TRY(kafka_status(errors[0], "groups"));
  auto* valid = rd_kafka_ListConsumerGroups_result_valid(result, &count);
  std::vector<GroupListing> groups;
  for (std::size_t i = 0; i < count; ++i)
    groups.push_back({.name = rd_kafka_ConsumerGroupListing_group_id(valid[i]),
                      .state = rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(valid[i])),
                      .simple = rd_kafka_ConsumerGroupListing_is_simple_consumer_group(valid[i]) == 1});
  std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return groups;
}

namespace {
GroupMember member_of(const rd_kafka_MemberDescription_t* member) {
  GroupMember result{.id = text_of(rd_kafka_MemberDescription_consumer_id(member)),
                     .client = text_of(rd_kafka_MemberDescription_client_id(member)),
                     .host = text_of(rd_kafka_MemberDescription_host(member)),
                     .instance = text_of(rd_kafka_MemberDescription_group_instance_id(member))};
  const auto* assignment = rd_kafka_MemberDescription_assignment(member);
  const auto* partitions = assignment == nullptr ? nullptr : rd_kafka_MemberAssignment_partitions(assignment);
  for (int i = 0; partitions != nullptr && i < partitions->cnt; ++i)
    result.partitions.emplace_back(partitions->elems[i].topic, partitions->elems[i].partition);
  return result;
}
}  // namespace

Result<GroupDescription> describe_group(KafkaClient& client, const std::string& name) {
  const char* names[] = {name.c_str()};
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, group_named(name),
                                                  [&](const auto* options, auto* queue) {
                                                    rd_kafka_DescribeConsumerGroups(client.get(), names, 1, options, queue);
                                                  }));
  std::size_t count = 0;
  auto* groups =
      rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event.get()), &count);
  if (count != 1) return Error{Code::unavailable, group_named(name) + ": the broker's answer does not have it"};
  BATON_TRY(kafka_status(rd_kafka_ConsumerGroupDescription_error(groups[0]), group_named(name)));
  const auto state = rd_kafka_ConsumerGroupDescription_state(groups[0]);
  if (state == RD_KAFKA_CONSUMER_GROUP_STATE_DEAD)
    return Error{Code::not_found, "no " + group_named(name) + "; 'baton groups list' shows what there is"};
  GroupDescription group{.name = name,
                         .state = rd_kafka_consumer_group_state_name(state),
                         .assignor = text_of(rd_kafka_ConsumerGroupDescription_partition_assignor(groups[0]))};
  if (const auto* node = rd_kafka_ConsumerGroupDescription_coordinator(groups[0])) group.coordinator = rd_kafka_Node_id(node);
  for (std::size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(groups[0]); ++i)
    group.members.push_back(member_of(rd_kafka_ConsumerGroupDescription_member(groups[0], i)));
  return group;
}

Result<std::map<TopicPartition, std::int64_t>> group_offsets(KafkaClient& client, const std::string& name) {
  RdPtr<rd_kafka_ListConsumerGroupOffsets_t, rd_kafka_ListConsumerGroupOffsets_destroy> request(
      rd_kafka_ListConsumerGroupOffsets_new(name.c_str(), nullptr));
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, group_named(name),
                                                  [&](const auto* options, auto* queue) {
                                                    rd_kafka_ListConsumerGroupOffsets(client.get(), &raw, 1, options, queue);
                                                  }));
  std::size_t count = 0;
  auto* groups =
      rd_kafka_ListConsumerGroupOffsets_result_groups(rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  BATON_TRY(status_of(groups, count, group_named(name)));
  std::map<TopicPartition, std::int64_t> offsets;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* partitions = rd_kafka_group_result_partitions(groups[i]);
    for (int j = 0; partitions != nullptr && j < partitions->cnt; ++j) {
      const auto& p = partitions->elems[j];
      if (p.offset >= 0) offsets[{p.topic, p.partition}] = p.offset;
    }
  }
  return offsets;
}

Status set_group_offsets(KafkaClient& client, const std::string& name, const std::map<TopicPartition, std::int64_t>& offsets) {
  if (offsets.empty()) return {};
  RdPartitions list(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size())));
  for (const auto& [place, offset] : offsets)
    rd_kafka_topic_partition_list_add(list.get(), place.first.c_str(), place.second)->offset = offset;
  RdPtr<rd_kafka_AlterConsumerGroupOffsets_t, rd_kafka_AlterConsumerGroupOffsets_destroy> request(
      rd_kafka_AlterConsumerGroupOffsets_new(name.c_str(), list.get()));
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event, client.admin(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, group_named(name),
                                                  [&](const auto* options, auto* queue) {
                                                    rd_kafka_AlterConsumerGroupOffsets(client.get(), &raw, 1, options, queue);
                                                  }));
  std::size_t count = 0;
  auto* groups =
      rd_kafka_AlterConsumerGroupOffsets_result_groups(rd_kafka_event_AlterConsumerGroupOffsets_result(event.get()), &count);
  return status_of(groups, count, group_named(name));
}

Status delete_group(KafkaClient& client, const std::string& name) {
  RdPtr<rd_kafka_DeleteGroup_t, rd_kafka_DeleteGroup_destroy> request(rd_kafka_DeleteGroup_new(name.c_str()));
  auto* raw = request.get();
  BATON_TRY_ASSIGN(const auto event,
                   client.admin(RD_KAFKA_ADMIN_OP_DELETEGROUPS, group_named(name), [&](const auto* options, auto* queue) {
                     rd_kafka_DeleteGroups(client.get(), &raw, 1, options, queue);
                   }));
  std::size_t count = 0;
  auto* groups = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event.get()), &count);
  return status_of(groups, count, group_named(name));
}

}  // namespace baton::cli
