// A session over a broker on the simulated machine: requests go in as frames, and answers come back decoded.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "kafka/handlers/handlers.h"
#include "os/run_on_for_test.h"
#include "os/sim_env.h"

namespace baton::kafka {

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() { start(); }
  ~SessionTest() override { stop(); }

  void start() {
    env_ = std::make_unique<os::SimEnv>(world_);
    Options options;
    options.segment_bytes = 1u << 20;
    options.journal_bytes = 1u << 20;
    auto opened = store::StoreCore::open(*env_, "/data", options);
    ASSERT_TRUE(opened) << opened.error().to_string();
    store_ = *std::move(opened);
    auto broker = broker::Broker::make(*store_, broker_options_);
    ASSERT_TRUE(broker) << broker.error().to_string();
    broker_ = *std::move(broker);
    node_.emplace(Node{.broker = *broker_, .clock = env_->clock(), .id = 1, .limits = {}});
    core_ = env_->make_executor("core");
    connect();
  }
  void stop() {
    disconnect();
    core_ = nullptr;
    node_.reset();
    broker_ = nullptr;
    store_ = nullptr;
    env_ = nullptr;
  }
  void restart(bool close) {
    disconnect();
    if (close) ASSERT_TRUE(store_->close());
    if (!close) env_->kill();
    stop();
    start();
  }
  void connect() {
    on_core([&] {
      session_ = std::make_unique<Session>(*node_, Endpoint{"127.0.0.1", 9092},
                                           net::ConnectionInfo{.peer = peer_, .listener = "kafka", .core = core_.get()});
    });
  }
  void disconnect() {
    if (core_ != nullptr) on_core([&] { session_ = nullptr; });
  }
  void on_core(const std::function<void()>& task) { os::run_on(*env_, *core_, task); }

  // What a request ended with, when it has ended.
  struct Answer {
    std::optional<net::ReplyResult> result;
    std::unique_ptr<os::Env::Waiter> waiter;
  };
  std::shared_ptr<Answer> send_frame(base::Bytes frame) {
    const auto answer = std::make_shared<Answer>();
    answer->waiter = env_->make_waiter();
    on_core([&] {
      session_->handle(base::Buffer(frame), [answer](net::ReplyResult result) {
        EXPECT_FALSE(answer->result.has_value()) << "answered twice";
        answer->result = std::move(result);
        answer->waiter->wake();
      });
    });
    return answer;
  }
  template <typename Request>
  static base::Bytes frame_of(const Request& request, std::int16_t version) {
    wire::Encoder out;
    const Status encoded = wire::append_request(out, 77, std::string_view("test"), version, request);
    EXPECT_TRUE(encoded) << encoded.error().to_string();
    return {out.bytes().begin() + 4, out.bytes().end()};
  }
  template <typename Request>
  std::shared_ptr<Answer> send(const Request& request, std::int16_t version) {
    return send_frame(frame_of(request, version));
  }
  // A reply as it comes to the client.
  static base::Bytes flat(const net::Reply& reply) {
    base::Bytes out = reply.head;
    for (const auto& slice : reply.slices) {
      const auto at = out.size();
      out.resize(at + slice.length);
      const auto got = slice.file->read_at(slice.offset, base::MutableByteView(out).subspan(at));
      EXPECT_TRUE(got && *got == slice.length);
      base::put_bytes(out, slice.after);
    }
    return out;
  }
  // The answer's body, once it is there. The bytes of records point into `keep_`.
  template <typename Response>
  Response body_of(Answer& answer, std::int16_t version) {
    if (!answer.result) answer.waiter->wait();
    EXPECT_TRUE(answer.result->ok()) << answer.result->error().to_string();
    EXPECT_TRUE((*answer.result)->has_value());
    keep_ = flat(***answer.result);
    wire::Decoder in(keep_);
    const auto header = wire::decode_response_header(in, Response::kApi, version);
    EXPECT_TRUE(header.ok());
    EXPECT_EQ(header->correlation_id, 77);
    auto response = wire::decode<Response>(in, version);
    EXPECT_TRUE(response.ok()) << response.error().to_string();
    return *std::move(response);
  }
  template <typename Response, typename Request>
  Response call(const Request& request, std::int16_t version) {
    const auto answer = send(request, version);
    return body_of<Response>(*answer, version);
  }
  static wire::VersionRange versions_of(wire::ApiKey key) { return std::ranges::find(handlers(), key, &Handler::key)->versions; }
  // In the versions that have the fields of the request.
  template <typename Response, typename Request>
  void in_every_version(const Request& request) {
    for (std::int16_t v = versions_of(Request::kApi).first; v <= versions_of(Request::kApi).last; ++v) {
      SCOPED_TRACE(std::string(Request::kName) + " " + std::to_string(v));
      wire::Encoder out;
      if (!wire::encode(out, v, request)) continue;
      (void)call<Response>(request, v);
    }
  }
  Error error_of(Answer& answer) {
    if (!answer.result) answer.waiter->wait();
    return answer.result->error();
  }

  // Short ways to say what is sent.
  static base::Bytes batch_of(std::string_view value, std::int64_t producer = -1, std::int32_t sequence = -1, std::int16_t epoch = 0) {
    log::BatchBuilder builder;
    builder.add(1'000, base::as_bytes("key"), base::as_bytes(value), {});
    log::BatchHeader fields;
    fields.producer_id = producer;
    fields.producer_epoch = producer < 0 ? std::int16_t{-1} : epoch;
    fields.base_sequence = sequence;
    return builder.finish(-1, fields).value();
  }
  wire::CreateTopicsResponse::CreatableTopicResult create_topic(std::string_view name, std::int32_t partitions = 1) {
    wire::CreateTopicsRequest request;
    request.topics.push_back({.name = name, .num_partitions = partitions, .replication_factor = -1, .assignments = {}, .configs = {}});
    return call<wire::CreateTopicsResponse>(request, 7).topics.at(0);
  }
  static wire::ProduceRequest produce_request(std::string_view topic, base::ByteView batch, std::int16_t acks = -1) {
    wire::ProduceRequest request;
    request.acks = acks;
    request.topic_data.push_back({.name = topic, .topic_id = {}, .partition_data = {{.index = 0, .records = batch}}});
    return request;
  }
  wire::ProduceResponse::PartitionProduceResponse produce(std::string_view topic, base::ByteView batch, std::int16_t version = 9) {
    return call<wire::ProduceResponse>(produce_request(topic, batch), version).responses.at(0).partition_responses.at(0);
  }
  static wire::FetchRequest fetch_request(std::string_view topic, std::int64_t offset, std::int32_t wait_ms = 0, std::int32_t min_bytes = 1) {
    wire::FetchRequest request;
    request.max_wait_ms = wait_ms;
    request.min_bytes = min_bytes;
    request.max_bytes = 1 << 20;
    request.topics.push_back({.topic = topic, .topic_id = {}, .partitions = {}});
    request.topics[0].partitions.push_back({.partition = 0, .fetch_offset = offset, .partition_max_bytes = 1 << 20});
    return request;
  }
  wire::FetchResponse::PartitionData fetch(std::string_view topic, std::int64_t offset, std::int16_t version = 12) {
    return call<wire::FetchResponse>(fetch_request(topic, offset), version).responses.at(0).partitions.at(0);
  }
  static std::vector<std::string> values_of(const wire::FetchResponse::PartitionData& partition) {
    std::vector<std::string> out;
    base::ByteView bytes = partition.records ? partition.records->bytes : base::ByteView();
    while (!bytes.empty()) {
      const auto header = log::check_batch(bytes);
      EXPECT_TRUE(header.ok());
      EXPECT_TRUE(log::for_each_record(bytes.first(header->total_bytes()), {}, [&](const log::RecordView& record) -> Status {
        out.emplace_back(base::as_text(record.value.value_or(base::ByteView())));
        return {};
      }));
      bytes = bytes.subspan(header->total_bytes());
    }
    return out;
  }

  broker::BrokerOptions broker_options_;  // from the next start on
  std::string peer_ = "127.0.0.1:1";      // of the next connection
  os::SimWorld world_{os::SimOptions{.seed = 1}};
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<store::StoreCore> store_;
  std::unique_ptr<broker::Broker> broker_;
  std::optional<Node> node_;
  std::unique_ptr<os::Executor> core_;
  std::unique_ptr<Session> session_;
  base::Bytes keep_;
};

}  // namespace baton::kafka
