#include "broker/event_batch.h"

#include "broker/cloud_event.h"
#include "store/limits.h"

namespace baton::broker {
namespace {

constexpr std::size_t kRecordErrorsMax = 100;

Status read_record(const log::RecordView& record, std::size_t number, const ContextOptions& options, StreamAppend& out) {
  if (!record.key) return Error{Code::invalid_argument, "the record has no key: it names the event's stream"};
  out.stream = std::string(base::as_text(*record.key));
  if (const Status named = store::check_stream_name(out.stream); !named) return named;
  ProducedEvent produced;
  if (const Status read = read_cloud_event(record, options, produced); !read) return read;
  if (const Status checked = store::check_event(produced.event, number, options); !checked) return checked;
  out.condition = produced.condition;
  out.events.push_back(std::move(produced.event));
  return {};
}

}  // namespace

BatchVerdict EventBatchReader::read(base::ByteView batch, const std::string& context, const ContextOptions& options,
                                    log::PartitionId partition, EventBatch& out) {
  BatchVerdict verdict;
  if (const Status started = cursor_.start(batch); !started) return {ProduceError::corrupt_message, started.error().detail, {}};
  const log::BatchHeader& header = cursor_.header();
  out.append = {};
  out.append.context = context;
  out.append.duplicates = Append::Duplicates::skip;
  out.produced = {.partition = partition,
                  .producer_id = header.producer_id,
                  .producer_epoch = header.producer_epoch,
                  .base_sequence = header.base_sequence};
  std::size_t number = 0;
  while (cursor_.next()) {
    StreamAppend& stream = out.append.streams.emplace_back();
    const Status read = read_record(cursor_.record(), number, options, stream);
    if (!read && verdict.records.size() < kRecordErrorsMax) {
      verdict.records.push_back({static_cast<std::int32_t>(number), read.error().detail});
    }
    ++number;
  }
  if (!cursor_.status()) return {ProduceError::invalid_record, cursor_.status().error().detail, {}};
  if (!verdict.records.empty()) {
    verdict.error = ProduceError::invalid_record;
    verdict.message = "record " + std::to_string(verdict.records.front().record) + ": " + verdict.records.front().message;
  }
  return verdict;
}

}  // namespace baton::broker
