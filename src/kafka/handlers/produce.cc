// Produce: the batches are checked here, on the connection's core, and answered when the rounds that hold them have ended.
#include <atomic>
#include <mutex>

#include "kafka/errors.h"
#include "kafka/handlers/handlers.h"

namespace baton::kafka {
namespace {

using Partition = wire::ProduceResponse::PartitionProduceResponse;

// Clients are told about errors only: an old one stumbles over texts where it expects none.
void fill(Partition& out, broker::ProduceReply&& reply) {
  out.error_code = to_wire(reply.error);
  out.base_offset = reply.base_offset.value();
  out.log_append_time_ms = reply.append_ms;
  out.log_start_offset = reply.log_start.value();
  if (reply.error == broker::ProduceError::none) return;
  if (!reply.message.empty()) out.error_message = std::move(reply.message);
  for (auto& record : reply.records) out.record_errors.push_back({.batch_index = record.record, .batch_index_error_message = std::move(record.message)});
}

// All partitions of one request, which is answered when nobody can write into them any more. Each slot is written by one completion; the last one answers.
class Production {
 public:
  Production(CallPtr call, std::int16_t acks) : call_(std::move(call)), acks_(acks) {}
  ~Production() {
    if (acks_ != 0) {
      call_->reply(response_);
      return;
    }
    // Who does not wait for an answer learns of an error by a closed connection, as from Kafka.
    for (const auto& topic : response_.responses) {
      for (const auto& partition : topic.partition_responses) {
        if (partition.error_code != wire::ErrorCode::none) {
          call_->close({Code::invalid_argument, "a produce request with acks=0 has failed"});
          return;
        }
      }
    }
    call_->no_reply();
  }
  [[nodiscard]] wire::ProduceResponse& response() { return response_; }
  // Of the batches so far; the connection's core.
  void add_unpacked_bytes(std::size_t bytes) { unpacked_bytes_ += bytes; }
  [[nodiscard]] std::size_t unpacked_bytes() const { return unpacked_bytes_; }

 private:
  CallPtr call_;
  const std::int16_t acks_;
  std::size_t unpacked_bytes_ = 0;
  wire::ProduceResponse response_;
};

void refuse_all(wire::ProduceResponse& response, wire::ErrorCode error) {
  for (auto& topic : response.responses) {
    for (auto& partition : topic.partition_responses) {
      partition.error_code = error;
      partition.base_offset = -1;
    }
  }
}

// A context's records are events: they are taken apart here, and judged one by one by the store.
void produce_events(Session& session, Call& call, const store::TopicView& topic, const wire::ProduceRequest::PartitionProduceData& data,
                    const std::shared_ptr<Production>& production, Partition& out) {
  broker::EventBatch events;
  const auto context = call.broker().view()->find(topic.name);
  if (context == nullptr) return fill(out, {.error = broker::ProduceError::unknown_topic_or_partition});
  broker::BatchVerdict verdict = session.event_reader().read(*data.records, topic.name, context->options, log::PartitionId(data.index), events);
  if (verdict.error != broker::ProduceError::none) {
    return fill(out, {.error = verdict.error, .message = std::move(verdict.message), .records = std::move(verdict.records)});
  }
  call.broker().produce(std::move(events), [production, &out](broker::ProduceReply reply) { fill(out, std::move(reply)); });
}

// S16 is about one batch, and this about all of a request, whose core serves others as well.
constexpr std::size_t kUnpackedBytes = 64u << 20;
constexpr std::size_t kUnpackedTimes = 32;

void produce(Session& session, Call& call, std::shared_ptr<const store::TopicView> topic, const wire::ProduceRequest::PartitionProduceData& data,
             const std::shared_ptr<Production>& production, Partition& out) {
  const bool there = topic != nullptr && data.index >= 0 && static_cast<std::size_t>(data.index) < topic->partitions.size();
  if (!there) return fill(out, {.error = broker::ProduceError::unknown_topic_or_partition});
  const std::size_t unpacked_max = kUnpackedBytes + kUnpackedTimes * call.frame().size();
  if (production->unpacked_bytes() > unpacked_max) {
    return fill(out, {.error = broker::ProduceError::message_too_large,
                      .message = "the batches of this request unpack to more than " + std::to_string(unpacked_max) + " bytes in all: send fewer in one"});
  }
  const base::ByteView bytes = data.records.value_or(base::ByteView());
  constexpr std::int16_t kFirstWithZstd = 7;
  broker::BatchVerdict verdict = session.checker().check(bytes, topic->config, call.node().clock.wall_ms(), call.version() >= kFirstWithZstd);
  production->add_unpacked_bytes(session.checker().unpacked_bytes());
  if (verdict.error != broker::ProduceError::none) {
    return fill(out, {.error = verdict.error, .message = std::move(verdict.message), .records = std::move(verdict.records)});
  }
  if (topic->kind == log::TopicKind::event) return produce_events(session, call, *topic, data, production, out);
  call.broker().produce(std::move(topic), log::PartitionId(data.index), call.own(bytes),
                        [production, &out](broker::ProduceReply reply) { fill(out, std::move(reply)); });
}

}  // namespace

void handle(Session& session, const CallPtr& call, wire::ProduceRequest request) {
  auto production = std::make_shared<Production>(call, request.acks);
  auto& response = production->response();
  // All slots first: completions write into them while others are still being made.
  for (const auto& topic : request.topic_data) {
    auto& out = response.responses.emplace_back();
    out.name = std::string(topic.name);
    out.topic_id = topic.topic_id;
    for (const auto& data : topic.partition_data) {
      auto& partition = out.partition_responses.emplace_back();
      partition.index = data.index;
      partition.base_offset = -1;
      partition.error_code = wire::ErrorCode::kafka_storage_error;  // until it is known: a batch that the store dropped was not written
    }
  }
  // What came counts, whatever becomes of it.
  const auto& node = call->node();
  const auto pause = call->broker().quotas().use(broker::Rate::produced, Call::user(), call->client_id(), call->frame().size(), node.clock.monotonic_ns());
  response.throttle_time_ms = static_cast<std::int32_t>(pause);
  call->pause(pause);
  if (request.acks < -1 || request.acks > 1) return refuse_all(response, wire::ErrorCode::invalid_required_acks);
  if (request.transactional_id) return refuse_all(response, wire::ErrorCode::invalid_txn_state);
  constexpr std::int16_t kFirstWithBatches = 3;
  if (call->version() < kFirstWithBatches) return refuse_all(response, wire::ErrorCode::unsupported_version);
  const auto view = call->broker().view();
  if (view == nullptr) return refuse_all(response, wire::ErrorCode::kafka_storage_error);
  constexpr std::int16_t kFirstWithIds = 13;
  for (std::size_t t = 0; t < request.topic_data.size(); ++t) {
    const auto& asked = request.topic_data[t];
    auto topic = find_topic(*view, call->version() < kFirstWithIds ? asked.name : std::string_view(), asked.topic_id);
    const bool may = call->may(Operation::write, Resource::topic, topic == nullptr ? asked.name : topic->name);
    for (std::size_t p = 0; p < asked.partition_data.size(); ++p) {
      Partition& out = response.responses[t].partition_responses[p];
      if (topic == nullptr && call->version() >= kFirstWithIds) {
        out.error_code = wire::ErrorCode::unknown_topic_id;
      } else if (!may) {
        out.error_code = wire::ErrorCode::topic_authorization_failed;
      } else {
        produce(session, *call, topic, asked.partition_data[p], production, out);
      }
    }
  }
}

}  // namespace baton::kafka
