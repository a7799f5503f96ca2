// Broker: the topics of one store as producers and consumers see them, without a wire format.
//
// Threads: every method from any thread, unless it says otherwise. Completions run on the store's executor: they post, and do not block.
// The store's core outlives the broker, and the broker outlives whoever may still get a completion.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <baton/result.h>

#include "broker/batch_check.h"
#include "broker/event_batch.h"
#include "broker/fetch_waiters.h"
#include "broker/group_topic.h"
#include "broker/groups.h"
#include "broker/quotas.h"
#include "broker/retention.h"
#include "broker/rights.h"
#include "store/store_core.h"

namespace baton::broker {

struct BrokerOptions {
  std::int32_t default_partitions = 1;  // of a topic that does not say (num.partitions)
  bool auto_create = true;              // plain topics, when a client asks for their metadata and allows it
  std::size_t topics_max = 10'000;
  std::size_t partitions_max = 100'000;  // in all
  std::int64_t retention_ms = -1;        // of a new plain topic that does not say (log.retention.ms); -1: for ever
  std::int64_t retention_check_ms = 0;   // how often segments are looked at that may leave; 0: never
  GroupOptions groups;
  RightsOptions rights;
};

// How a request about topics ends. Named as Kafka's errors.
enum class TopicError : std::uint8_t {
  none,
  topic_already_exists,
  invalid_topic_exception,
  invalid_partitions,
  invalid_replication_factor,
  invalid_config,
  invalid_request,
  policy_violation,            // a limit of BrokerOptions, or what a context does not allow
  unknown_topic_or_partition,
  unknown_topic_id,
  offset_out_of_range,
  kafka_storage_error,
};
[[nodiscard]] std::string_view error_name(TopicError error) noexcept;

struct NewTopic {
  std::string name;
  std::int32_t partitions = -1;  // -1: the default
  log::Settings settings;        // and `baton.kind`: plain (the default) or event
};
struct TopicReply {
  TopicError error = TopicError::none;
  std::string message;
  log::TopicId id;
};
using TopicDone = std::function<void(TopicReply)>;

struct ProduceReply {
  ProduceError error = ProduceError::none;
  std::string message;
  std::vector<RecordError> records;
  log::Offset base_offset{-1};
  std::int64_t append_ms = -1;
  log::Offset log_start{-1};
};
using ProduceDone = std::function<void(ProduceReply)>;

class Broker {
 public:
  // Loads the groups. An error: what their records say cannot be read.
  static Result<std::unique_ptr<Broker>> make(store::StoreCore& core, const BrokerOptions& options);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  [[nodiscard]] const BrokerOptions& options() const { return options_; }
  [[nodiscard]] std::shared_ptr<const store::ReadView> view() const { return core_.view(); }
  // Clients see topics whose names begin with "__baton" nowhere.
  [[nodiscard]] static bool is_internal(std::string_view name) { return log::is_internal(name); }
  [[nodiscard]] const std::string& store_id() const { return store_id_; }  // 32 hex digits
  [[nodiscard]] std::int32_t epoch() const { return epoch_; }              // of this opening: the leader epoch of every partition
  [[nodiscard]] Status health() const { return core_.health(); }
  [[nodiscard]] Status room() const { return core_.room(); }  // no_space: the disk is full; resource_exhausted, not_found

  // `validate_only`: nothing is made, and the reply says how it would end.
  void create_topic(NewTopic topic, bool validate_only, TopicDone done);
  // A plain topic has `partitions` in all from now on.
  void add_partitions(const log::TopicId& id, std::int32_t partitions, bool validate_only, TopicDone done);
  void delete_topic(const log::TopicId& id, TopicDone done);
  // What a topic has that does not set it: the server's value, or else Baton's. `of_new`: what a new topic is given, which an older one may not have.
  [[nodiscard]] std::string default_of(const log::TopicSetting& setting, bool of_new) const;
  // Settings that are set; a setting in `removed` goes back to its default.
  void configure_topic(const log::TopicId& id, log::Settings changed, std::vector<std::string> removed, bool validate_only, TopicDone done);
  // Records below `before` (-1: all that are there) are removed. The reply's `offset` is where the log begins then.
  struct DeleteReply {
    TopicError error = TopicError::none;
    std::string message;
    log::Offset log_start{-1};
  };
  void delete_records(const log::PartitionKey& partition, log::Offset before, std::function<void(DeleteReply)> done);

  // A batch that a BatchChecker has found good, for a plain topic. In the order of the calls from one thread.
  void produce(std::shared_ptr<const store::TopicView> topic, log::PartitionId partition, base::OwnedBytes batch, ProduceDone done);

  // The events of a batch that an EventBatchReader has read, for a context.
  void produce(EventBatch batch, ProduceDone done);

  // What idempotent producers have written to a partition, by their ids.
  struct ProducersReply {
    TopicError error = TopicError::none;
    std::map<std::int64_t, log::ProducerTable::Producer> producers;
  };
  void describe_producers(const log::PartitionKey& partition, std::function<void(ProducersReply)> done);

  [[nodiscard]] Quotas& quotas() { return quotas_; }
  // `validate_only`: nothing is changed, and the status says how it would end. invalid_argument, too_large (there are too many), or what the log says.
  void alter_quota(const log::QuotaEntity& entity, QuotaChange change, bool validate_only, std::function<void(Status)> done);

  [[nodiscard]] const Rights& rights() const { return rights_; }
  // All or none. invalid_argument, too_large (there are too many), or what the log says.
  void add_acls(log::AclTable acls, std::function<void(Status)> done);
  // Those that fit one of the filters. The reply has a table for each filter: what it removed.
  void remove_acls(std::vector<AclFilter> filters, std::function<void(Result<std::vector<log::AclTable>>)> done);

  // An id that no producer of this store has had: the store's epoch, which each opening raises durably, and a counter.
  [[nodiscard]] std::int64_t new_producer_id() { return (std::int64_t{epoch_} << 32) | next_producer_++; }

  [[nodiscard]] FetchWaiters& fetch_waiters() { return waiters_; }
  // Runs `use` on the coordinator's executor, which is the store's; the replies that it asks for come there, too.
  void with_groups(std::move_only_function<void(Groups&)> use);
  [[nodiscard]] GroupStats group_stats();  // waits for the executor
  // The server is stopping: members that wait for others are told to come again, and so is who joins from now on.
  void stop_groups();
  // Topics, their settings and groups are looked at and changed on this executor.
  [[nodiscard]] store::StoreCore& core() { return core_; }

 private:
  Broker(store::StoreCore& core, const BrokerOptions& options);
  [[nodiscard]] Status start();  // [owner]
  [[nodiscard]] std::optional<log::Offset> review_offset(const TopicPartition& partition, const log::TopicId& id, log::Offset offset) const;
  template <typename Reply>
  void tell(Reply reply, std::function<void(Reply)> done);
  [[nodiscard]] TopicReply check_new(const NewTopic& topic) const;
  [[nodiscard]] TopicReply make(const NewTopic& topic);  // [owner]
  [[nodiscard]] TopicReply check_partitions(const log::TopicId& id, std::int32_t partitions) const;
  [[nodiscard]] std::size_t partitions_in_all() const;
  [[nodiscard]] TopicReply check_room(std::int32_t partitions) const;  // for one more topic

  store::StoreCore& core_;
  const BrokerOptions options_;
  std::string store_id_;
  std::int32_t epoch_ = 0;
  std::atomic<std::uint32_t> next_producer_{0};
  FetchWaiters waiters_;
  Quotas quotas_;
  Rights rights_;
  // The executor's.
  std::unique_ptr<GroupTopic> group_topic_;
  std::unique_ptr<Groups> groups_;
  std::unique_ptr<Retention> retention_;
};

}  // namespace baton::broker
