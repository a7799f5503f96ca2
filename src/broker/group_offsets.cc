// Committed offsets: OffsetCommit, OffsetFetch, OffsetDelete, and what follows from topics that go.
#include <algorithm>
#include <memory>
#include <utility>

#include "broker/coordinator.h"

namespace baton::broker {
namespace {

constexpr std::size_t kOffsetsRecordBytes = 64u << 10;

// As records of bounded size; the partitions of one topic may be in several.
std::vector<base::Bytes> encode_removed(const GroupId& group, const std::vector<RemovedTopic>& topics) {
  std::vector<base::Bytes> out;
  OffsetsRemovedRecord record{.group = group, .topics = {}};
  std::size_t bytes = 0;
  const auto add = [&](std::size_t size) {
    if (bytes + size > kOffsetsRecordBytes && !record.topics.empty()) {
      out.push_back(encode_group_record(record));
      record.topics.clear();
      bytes = 0;
    }
    bytes += size;
  };
  for (const auto& topic : topics) {
    constexpr std::size_t kPartitionBytes = 5;
    add(topic.topic.size() + 2 * kPartitionBytes);
    record.topics.push_back({.topic = topic.topic, .partitions = {}});
    for (const auto partition : topic.partitions) {
      add(kPartitionBytes);
      if (record.topics.empty()) record.topics.push_back({.topic = topic.topic, .partitions = {}});
      record.topics.back().partitions.push_back(partition);
    }
  }
  if (!record.topics.empty()) out.push_back(encode_group_record(record));
  return out;
}

std::size_t total(const std::vector<base::Bytes>& records) {
  std::size_t bytes = 0;
  for (const auto& record : records) bytes += record.size();
  return bytes;
}

}  // namespace

// The rules of Kafka's classic groups: who may commit now.
GroupError Coordinator::check_commit(Group* group, const CommitRequest& request) const {
  if (group == nullptr) return request.generation < GenerationId(0) ? GroupError::none : GroupError::group_id_not_found;
  if (group->state == GroupState::dead) return GroupError::coordinator_not_available;
  // Without a generation: a consumer that assigns its partitions itself, or an administrator. Only as long as nobody uses the group.
  if (request.generation < GenerationId(0) && group->state == GroupState::empty) return GroupError::none;
  if (request.generation < GenerationId(0) && request.member.empty() && !request.instance) return GroupError::unknown_member_id;
  if (const auto error = group->check_member(request.member, request.instance); error != GroupError::none) return error;
  if (request.generation != group->generation) return GroupError::illegal_generation;
  // Who has joined the next generation and has no assignment yet has nothing to commit in it.
  if (group->state == GroupState::completing_rebalance) return GroupError::rebalance_in_progress;
  return GroupError::none;
}

std::vector<GroupError> Coordinator::check_entries(const Group& group, const CommitRequest& request) const {
  std::vector<GroupError> out;
  std::size_t more = 0;
  for (const auto& entry : request.entries) {
    auto error = GroupError::none;
    constexpr std::size_t kLittleMetadata = 64;
    const bool much = state_bytes_ > options_.state_bytes_max && (entry.metadata.size() > kLittleMetadata || !group.offsets.contains(entry.partition));
    if (entry.metadata.size() > options_.offset_metadata_bytes_max) {
      error = GroupError::offset_metadata_too_large;
    } else if (much) {
      error = GroupError::invalid_commit_offset_size;
    } else if (entry.partition.partition < log::PartitionId(0) || !name_fits(entry.partition.topic)) {
      error = GroupError::invalid_request;
    } else if (!group.offsets.contains(entry.partition)) {
      ++more;
      if (group.offsets.size() + group.offsets_in_flight + more > options_.group_offsets_max ||
          offsets_ + offsets_in_flight_ + more > options_.offsets_max) {
        error = GroupError::invalid_commit_offset_size;
      }
    }
    out.push_back(error);
  }
  return out;
}

void Coordinator::commit(CommitRequest request, Reply<CommitReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) {
    answer(reply, CommitReply{.errors = std::vector<GroupError>(request.entries.size(), error)});
  };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  if (!name_fits(request.group.value)) return refuse(GroupError::invalid_group_id);
  Group* group = find(request.group);
  if (const auto error = check_commit(group, request); error != GroupError::none) return refuse(error);
  if (group == nullptr) group = find_or_make(request.group);
  if (group == nullptr) return refuse(GroupError::policy_violation);
  if (Member* member = group->find(request.member)) touch(*group, *member);  // it is alive

  auto errors = check_entries(*group, request);
  const std::int64_t now_ms = log_.time_ms();
  OffsetMap offsets;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    if (errors[i] != GroupError::none) continue;
    auto& entry = request.entries[i];
    offsets[entry.partition] = {.topic_id = entry.topic_id,
                                .offset = entry.offset,
                                .leader_epoch = entry.leader_epoch,
                                .commit_ms = now_ms,
                                .expire_ms = request.retention_ms ? now_ms + *request.retention_ms : kNoExpiry,
                                .metadata = std::move(entry.metadata)};
  }
  // The entries that were good end with one error, or with none.
  const auto finish = [this](std::vector<GroupError> each, GroupError of_good, Reply<CommitReply>& to) {
    std::ranges::replace(each, GroupError::none, of_good);
    answer(to, CommitReply{.errors = std::move(each)});
  };
  const GroupId id = group->id;
  if (offsets.empty()) {
    finish(std::move(errors), GroupError::none, reply);
    return forget_if_void(id);
  }
  const std::size_t count = offsets.size();
  const auto kept = std::make_shared<Reply<CommitReply>>(std::move(reply));
  const bool fits = store_offsets(*group, std::move(offsets), [this, finish, errors, kept, count](Group&, bool ok) {
    if (ok) counts_.commits += count;
    finish(errors, ok ? GroupError::none : GroupError::coordinator_not_available, *kept);
  });
  if (!fits) finish(std::move(errors), GroupError::invalid_commit_offset_size, *kept);
  forget_if_void(id);
}

bool Coordinator::store_offsets(Group& group, OffsetMap offsets, Stored done) {
  auto records = encode_offsets(group.id, offsets, kOffsetsRecordBytes);
  if (total(records) > kGroupAppendBytesMax ||
      std::ranges::any_of(records, [](const base::Bytes& record) { return record.size() > kGroupRecordBytesMax; })) {
    return false;
  }
  group.offsets_in_flight += offsets.size();
  offsets_in_flight_ += offsets.size();
  write(group, std::move(records),
        [this, offsets = std::move(offsets), done = std::move(done)](Group& then, const Status& status) mutable {
          then.offsets_in_flight -= offsets.size();
          offsets_in_flight_ -= offsets.size();
          if (status) {
            for (auto& [partition, offset] : offsets) then.set_offset(partition, std::move(offset));
          }
          done(then, status.ok());
        });
  return true;
}

void Coordinator::offsets(const OffsetsRequest& request, Reply<OffsetsReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) { answer(reply, OffsetsReply{.error = error, .offsets = {}}); };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  const Group* group = find(request.group);
  if (group != nullptr && group->state == GroupState::dead) return refuse(GroupError::group_id_not_found);
  OffsetsReply out;
  const auto add = [&](const TopicPartition& partition, const StoredOffset& offset) {
    out.offsets.push_back({.partition = partition,
                           .offset = offset.offset,
                           .leader_epoch = offset.leader_epoch,
                           .metadata = offset.metadata,
                           .topic_id = offset.topic_id});
  };
  if (!request.partitions) {
    if (group != nullptr) {
      for (const auto& [partition, offset] : group->offsets) add(partition, offset);
    }
    return answer(reply, std::move(out));
  }
  for (const auto& partition : *request.partitions) {
    const auto* offset = group == nullptr ? nullptr : group->find_offset(partition);
    if (offset != nullptr) {
      add(partition, *offset);
    } else {
      out.offsets.push_back({.partition = partition});
    }
  }
  answer(reply, std::move(out));
}

// In appends of bounded size, so the removal of very many is not atomic.
void Coordinator::remove_offsets(Group& group, const std::vector<RemovedTopic>& topics, Stored done) {
  struct Progress {
    std::size_t left = 0;
    bool ok = true;
    Stored done;
  };
  auto records = encode_removed(group.id, topics);
  constexpr std::size_t kRecordsPerAppend = kGroupAppendBytesMax / (2 * kOffsetsRecordBytes);
  const auto progress = std::make_shared<Progress>();
  progress->left = (records.size() + kRecordsPerAppend - 1) / kRecordsPerAppend;
  progress->done = std::move(done);
  for (std::size_t first = 0; first < records.size(); first += kRecordsPerAppend) {
    const auto end = std::min(records.size(), first + kRecordsPerAppend);
    std::vector<base::Bytes> some(std::move_iterator(records.begin() + static_cast<std::ptrdiff_t>(first)),
                                  std::move_iterator(records.begin() + static_cast<std::ptrdiff_t>(end)));
    const bool last = end == records.size();
    write(group, std::move(some),
          [progress, topics = last ? topics : std::vector<RemovedTopic>{}](Group& then, const Status& status) {
            progress->ok = progress->ok && status.ok();
            if (--progress->left > 0) return;
            if (progress->ok) {
              for (const auto& topic : topics) then.remove_offsets(topic);
            }
            progress->done(then, progress->ok);
          });
  }
}

void Coordinator::delete_offsets(const DeleteOffsetsRequest& request, Reply<DeleteOffsetsReply> reply) {
  const Turn turn(*this);
  const auto refuse = [&](GroupError error) { answer(reply, DeleteOffsetsReply{.error = error, .errors = {}}); };
  if (const auto error = unready(); error != GroupError::none) return refuse(error);
  if (request.group.empty()) return refuse(GroupError::invalid_group_id);
  Group* group = find(request.group);
  if (group == nullptr || group->state == GroupState::dead) return refuse(GroupError::group_id_not_found);
  if (group->state != GroupState::empty && !group->reads_subscriptions()) return refuse(GroupError::non_empty_group);
  DeleteOffsetsReply out;
  std::map<std::string, RemovedTopic> topics;
  for (const auto& partition : request.partitions) {
    const bool used = group->subscribed(partition.topic);
    out.errors.push_back(used ? GroupError::group_subscribed_to_topic : GroupError::none);
    if (used || (group->offsets_in_flight == 0 && !group->offsets.contains(partition))) continue;
    auto& topic = topics[partition.topic];
    topic.topic = partition.topic;
    topic.partitions.push_back(partition.partition);
  }
  std::vector<RemovedTopic> removed;
  for (auto& [_, topic] : topics) removed.push_back(std::move(topic));
  if (removed.empty()) return answer(reply, std::move(out));
  remove_offsets(*group, removed, [this, out = std::move(out), reply = std::move(reply)](Group&, bool ok) mutable {
    if (!ok) out = {.error = GroupError::coordinator_not_available, .errors = {}};
    answer(reply, std::move(out));
  });
}

void Coordinator::topic_removed(const std::string& topic, Reply<DeleteReply> reply) {
  const Turn turn(*this);
  if (const auto error = unready(); error != GroupError::none) return answer(reply, DeleteReply{.error = error});
  struct Progress {
    std::size_t left = 1;
    bool ok = true;
    Reply<DeleteReply> reply;
  };
  const auto progress = std::make_shared<Progress>();
  progress->reply = std::move(reply);
  const auto step = [this, progress](bool ok) {
    progress->ok = progress->ok && ok;
    if (--progress->left > 0) return;
    answer(progress->reply, DeleteReply{.error = progress->ok ? GroupError::none : GroupError::coordinator_not_available});
  };
  for (auto& [_, group] : groups_) {
    const auto first = group.offsets.lower_bound({topic, log::PartitionId(0)});
    const bool known = first != group.offsets.end() && first->first.topic == topic;
    if (group.state == GroupState::dead || (!known && group.offsets_in_flight == 0)) continue;
    ++progress->left;
    remove_offsets(group, {RemovedTopic{.topic = topic, .partitions = {}}}, [step](Group&, bool ok) { step(ok); });
  }
  step(true);
}

void Coordinator::review_offsets(const Groups::Review& review) {
  const Turn turn(*this);
  if (unready() != GroupError::none) return;
  for (auto& [_, group] : groups_) {
    if (group.state == GroupState::dead) continue;
    OffsetMap lowered;
    std::vector<RemovedTopic> removed;
    for (const auto& [partition, offset] : group.offsets) {
      const auto should = review(partition, offset.topic_id, offset.offset);
      if (!should) {
        if (removed.empty() || removed.back().topic != partition.topic)
          removed.push_back({.topic = partition.topic, .partitions = {}});
        removed.back().partitions.push_back(partition.partition);
      } else if (*should != offset.offset) {
        auto& other = lowered[partition] = offset;
        other.offset = *should;
        other.leader_epoch = kNoLeaderEpoch;
      }
    }
    if (!removed.empty()) remove_offsets(group, removed, [](Group&, bool) {});
    // As many as one append may hold: halves, until they fit.
    std::vector<OffsetMap> parts;
    if (!lowered.empty()) parts.push_back(std::move(lowered));
    while (!parts.empty()) {
      OffsetMap part = std::move(parts.back());
      parts.pop_back();
      if (store_offsets(group, part, [](Group&, bool) {}) || part.size() == 1) continue;
      auto middle = part.begin();
      std::advance(middle, static_cast<std::ptrdiff_t>(part.size() / 2));
      parts.emplace_back(middle, part.end());
      part.erase(middle, part.end());
      parts.push_back(std::move(part));
    }
  }
}

}  // namespace baton::broker
