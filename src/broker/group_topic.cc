#include "broker/group_topic.h"

#include <utility>

#include "base/try.h"
#include "log/batch.h"

namespace baton::broker {
namespace {

constexpr std::size_t kReadBytes = 1u << 20;

// Small segments: what a snapshot has made superfluous leaves by whole ones.
const log::Settings& settings() {
  static const log::Settings kSettings{{"durability", "fsync"}, {"segment.bytes", "4194304"}, {"max.message.bytes", "4194304"}};
  return kSettings;
}

}  // namespace

GroupTopic::~GroupTopic() { *self_ = nullptr; }

Status GroupTopic::open(const std::function<Status(base::ByteView)>& load) {
  const auto topic = core_.view()->find_topic(kName);
  if (topic == nullptr) return {};
  partition_ = log::PartitionKey{topic->id, log::PartitionId(0)};
  return read(load);
}

Status GroupTopic::read(const std::function<Status(base::ByteView)>& load) {
  const auto reader = core_.log().reader(*partition_);
  const log::Offset end(reader->bounds().visible.value());
  base::Bytes bytes;
  for (log::Offset from = reader->bounds().log_start; from < end;) {
    bytes.clear();
    BATON_TRY_ASSIGN(const auto got, reader->read(from, kReadBytes, bytes, end));
    if (!got.first) break;
    bytes_ += bytes.size();
    for (base::ByteView rest(bytes); !rest.empty();) {
      BATON_TRY_ASSIGN(const log::BatchHeader header, log::parse_batch_header(rest));
      BATON_TRY(log::for_each_record(rest.first(header.total_bytes()), {}, [&](const log::RecordView& record) -> Status {
        if (record.offset < from) return {};  // of a batch that the log's start cuts
        return load(record.value.value_or(base::ByteView()));
      }));
      rest = rest.subspan(header.total_bytes());
    }
    from = got.next;
  }
  return {};
}

void GroupTopic::append(std::vector<base::Bytes> records, Done done) {
  log::BatchBuilder builder;
  const std::int64_t now = time_ms();
  for (const base::Bytes& record : records) builder.add(now, std::nullopt, record, {});
  const std::uint64_t number = first_ + open_.size();
  open_.push_back({std::move(done), std::nullopt});
  auto batch = builder.finish(now);
  if (!batch) {
    // Not within the call, as promised.
    core_.executor().post([self = std::weak_ptr(self_), number, error = batch.error()] {
      if (const auto there = self.lock(); there && *there != nullptr) (*there)->ended(number, error);
    });
    return;
  }
  if (partition_) {
    submit(number, *std::move(batch));
    return;
  }
  before_topic_.emplace_back(number, *std::move(batch));
  make_topic();
}

void GroupTopic::make_topic() {
  if (std::exchange(making_, true)) return;
  const auto id = std::make_shared<log::TopicId>();
  core_.run_async(
      [this, self = std::weak_ptr(self_), id]() -> Status {
        if (const auto there = self.lock(); !there || *there == nullptr) return Error{Code::cancelled, "the broker has ended"};
        BATON_TRY_ASSIGN(*id, core_.create_topic(kName, 1, settings()));
        return {};
      },
      [self = std::weak_ptr(self_), id](const Status& made) {
        const auto there = self.lock();
        if (!there || *there == nullptr) return;
        GroupTopic& topic = **there;
        topic.making_ = false;
        if (made) topic.partition_ = log::PartitionKey{*id, log::PartitionId(0)};
        for (auto& [number, batch] : std::exchange(topic.before_topic_, {})) {
          if (made) {
            topic.submit(number, std::move(batch));
          } else {
            topic.ended(number, made);
          }
        }
      });
}

void GroupTopic::submit(std::uint64_t number, base::Bytes batch) {
  bytes_ += batch.size();
  auto request = std::make_unique<store::BatchRequest>();
  request->partition = *partition_;
  request->batch = std::move(batch);
  request->done = [self = std::weak_ptr(self_), number](Result<store::BatchAppended> result) {
    const auto there = self.lock();
    if (there && *there != nullptr) (*there)->ended(number, result ? Status() : Status(result.error()));
  };
  core_.submit(std::move(request));
}

// A refusal may come before the end of an earlier append: it waits for its turn.
void GroupTopic::ended(std::uint64_t number, Status outcome) {
  open_[number - first_].outcome = std::move(outcome);
  while (!open_.empty() && open_.front().outcome) {
    Open front = std::move(open_.front());
    open_.pop_front();
    ++first_;
    const auto self = self_;
    front.done(*std::move(front.outcome));
    if (*self == nullptr) return;  // it has ended us
  }
}

void GroupTopic::begin_snapshot() {
  if (!partition_) return;
  // What is appended from now on lies behind this: appends reach the log in the order of the calls.
  const auto reader = core_.log().reader(*partition_);
  snapshot_ = Snapshot{log::Offset(reader->bounds().visible.value()), bytes_};
}

void GroupTopic::end_snapshot(bool complete) {
  const auto snapshot = std::exchange(snapshot_, std::nullopt);
  if (!complete || !snapshot) return;
  bytes_ -= snapshot->bytes_before;
  core_.run_async(
      [this, self = std::weak_ptr(self_), from = snapshot->from]() -> Status {
        if (const auto there = self.lock(); !there || *there == nullptr) return {};
        return core_.log().remove_before(*partition_, from, [](const log::PartitionKey&, log::Offset) { return log::Offset(0); });
      },
      [](const Status&) {});  // what is left goes with the next snapshot
}

}  // namespace baton::broker
