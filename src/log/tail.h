// The tail of a partition: what its owner knows, and readers do not. [owner] throughout.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "log/marks.h"
#include "log/partition.h"
#include "log/producers.h"
#include "log/settings.h"

namespace baton::log {

struct StagedBatch {
  base::OwnedBytes bytes;
  std::int64_t max_timestamp = 0;
  Offset next_offset;
  bool written = false;  // to its segment: it was large enough by itself for its part to go in place
};

// A segment that is not sealed yet.
struct OpenSegment {
  OpenSegment(std::shared_ptr<Segment> of, const MarksEnd& marks_end) : segment(std::move(of)), saved(marks_end), marks(marks_end) {}

  std::shared_ptr<Segment> segment;
  std::shared_ptr<os::File> file;     // null until it is written to
  std::uint64_t staged_end = 0;       // with all that is staged
  std::uint64_t end = 0;              // with all rounds that have ended
  std::uint64_t allocated = 0;
  std::uint64_t large_end = 0;        // where the last part ends that had at least in_place_bytes
  bool direct = false;                // the round on its way writes the whole sector in which its part ends: nothing else does meanwhile
  Offset next_offset;                 // after the last record of the rounds that have ended
  MarksEnd saved;                     // what the marks file holds, or the checkpoint under way writes
  MarkBuilder marks;
  std::int64_t first_arrival_ms = 0;  // of its first record, as far as it is known; 0: not looked for yet
  bool dirty = false;                 // written since the last checkpoint began
  bool rolled = false;                // a later segment exists: it waits for its seal
};

// What of a partition goes into one segment in one round.
struct StagedGroup {
  OpenSegment* segment = nullptr;
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  std::vector<StagedBatch> batches;
};

struct PartitionTail {
  PartitionKey key;
  std::shared_ptr<Partition> partition;
  std::shared_ptr<const TopicConfig> config;
  std::deque<OpenSegment> open;       // the last one takes appends
  std::vector<StagedGroup> staged;
  Offset next;                        // of the next record to be staged
  Offset ended;                       // after the last record of the rounds that have ended
  Epoch ended_epoch;                  // of the batch that ends there,
  std::uint32_t ended_crc = 0;        // and its CRC
  ProducerTable producers;            // with all that is staged
  base::Bytes edge;                   // the bytes from the last sector boundary to the end of what was given to a round
  std::string directory;              // relative: "topics/<id>/<partition>"
  bool directory_made = false;
  bool read_before = false;           // somebody read while the segment before this one was the last
  bool internal = false;              // the server's own: may take from the reserve of the disk
  bool undurable = false;             // has visible records that are not durable (interval):
  Offset syncing_to;                  // the sync that is under way makes those below durable,
  Offset synced_to;                   // and the one before it has made those below durable
  bool removed = false;               // while a round that holds it is on its way
  std::size_t live_slot = 0;
  std::uint64_t list_changes = 0;     // of segments and of marks files, for other processes
};

// Moves `edge` from `position` to behind `group`.
void move_edge(base::Bytes& edge, const StagedGroup& group);

}  // namespace baton::log
