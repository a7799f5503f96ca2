// A record batch that an ordinary Kafka client sent to a context, as events (design rules 10 and 11; docs/formats/event.md): each record is an event of the
// stream that its key names, its headers are the CloudEvents attributes of the Kafka binding (binary mode), or its value is a whole CloudEvent (structured
// mode). What is missing is filled in by the store.
#pragma once

#include <string>
#include <vector>

#include <baton/store.h>

#include "base/bytes.h"
#include "broker/batch_check.h"
#include "log/batch.h"
#include "store/request.h"

namespace baton::broker {

struct EventBatch {
  Append append;
  store::Produced produced;
};

// Keeps its memory from batch to batch. One thread.
class EventBatchReader {
 public:
  explicit EventBatchReader(const log::BatchLimits& limits = {}) : cursor_(limits) {}
  // `batch` has been found good by a BatchChecker. Otherwise invalid_record, with every record that is to blame (up to 100) and why.
  [[nodiscard]] BatchVerdict read(base::ByteView batch, const std::string& context, const ContextOptions& options, log::PartitionId partition,
                                  EventBatch& out);

 private:
  log::RecordCursor cursor_;
};

}  // namespace baton::broker
