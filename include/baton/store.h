// Store: an event store in one directory. The embeddable API of Baton.
//
//   auto store = baton::Store::open("./baton-data", {});
//   if (!store) return fail(store.error());
//   baton::Append append{.context = "rides"};
//   append.streams.push_back({.stream = "ride-7", .condition = baton::Expect::no_stream(), .events = {started}});
//   auto done = (*store)->append(std::move(append));
//
// Threads: every method may be called from any thread. Blocking calls must not be made from a completion. A Store is a handle:
// its destructor closes.
// Lifetimes: whatever a call returns owns its bytes; an EventView is valid inside the call that hands it out.
// Durability: a successful append is on disk (Options::durability).
// After a failed sync every call returns store_failed; open the directory again (F12).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/event.h>
#include <baton/result.h>

namespace baton {

enum class Durability { fsync, interval };  // interval: may lose up to Options::interval_ms at a system crash, never at a kill

struct Options {
  bool read_only = false;          // beside a writer, from this or another process; nothing is written
  bool create = true;              // make the directory if it is not there
  Durability durability = Durability::fsync;
  std::int64_t interval_ms = 100;
  std::uint64_t segment_bytes = 64u << 20;
  std::uint64_t journal_bytes = 64u << 20;
  std::size_t index_table_entries = 256u << 10;   // entries of 24 bytes kept in memory before they go to a sorted run; two tables
  std::size_t pending_bytes_max = 64u << 20;      // appends waiting; beyond it resource_exhausted
  std::function<void(std::string)> on_warning;    // e.g. a torn tail was cut; any thread
  std::function<void(const Error&)> on_fatal;     // the store has ended; any thread
};

// What must hold for one stream when the append is decided. Design rule 1.
struct Expect {
  enum class Kind { any, no_stream, exists, exact };
  Kind kind = Kind::any;
  std::int64_t version = -1;       // of the stream's last event, with exact
  static Expect any() { return {}; }
  static Expect no_stream() { return {Kind::no_stream, -1}; }
  static Expect exists() { return {Kind::exists, -1}; }
  static Expect exact(std::int64_t v) { return {Kind::exact, v}; }
};

// Items are ORed; within an item types are ORed and tags ANDed (dcb.events). An item names at least one type or tag.
struct QueryItem {
  std::vector<std::string> types;
  std::vector<std::string> tags;
};
struct Query {
  std::vector<QueryItem> items;    // at most 16 items, 16 types and 16 tags an item
};

// 'No event matches `query` after `after`'. Needs a context with one partition (rule 6).
struct Unless {
  Query query;
  Position after;
};

struct StreamAppend {
  std::string stream;              // UTF-8, 1..255 bytes; category = the part before the first '-'
  Expect condition;
  std::vector<NewEvent> events;
};

// One append is one atomic batch of at most 1 MiB in one partition. Design rule 5.
struct Append {
  std::string context;             // [a-z][a-z0-9_-]{0,62}; made on first use when Options::create, with the defaults
  std::vector<StreamAppend> streams;
  std::optional<Unless> unless;
  enum class Duplicates { refuse_partial, skip } duplicates = Duplicates::refuse_partial;
  std::string correlation_id, causation_id, tenant, traceparent;  // for events that do not set their own
};

struct AppendedEvent {
  std::string id;
  std::int64_t version = 0;
  Position position;
  std::int64_t offset = 0;
  bool duplicate = false;          // was there before, with equal content
};
struct Appended {
  std::vector<AppendedEvent> events;  // in the order given, streams first to last
  Position position;                  // of the last event in log order; it tells nothing of the context's other partitions, if it has some: as an
                                      // AsOf::position, or after it, these are empty (Store::context() has the end of all)
};

// Completions run on the store's thread, or on one that is blocked in append() meanwhile and lends itself, one at a time; those of appends that
// were accepted in append order per partition. One that is refused before it is decided (a store that is read-only, full of appends that wait, or closed)
// may be answered before earlier ones, also within append_async() itself. They must not block, throw or destroy the store, and may append again; while the
// store is being destroyed (they get cancelled) nothing is taken any more, and no completion is called for it. May be empty.
using AppendDone = std::function<void(Result<Appended>)>;

struct ContextOptions {
  std::int32_t partitions = 1;                    // fixed (rule 6)
  std::string partitioner = "murmur2";            // murmur2, crc32, fnv1a; fixed
  std::uint64_t data_bytes_max = 1024;            // per event
  std::string default_type;                       // baton.default.type
  bool history_deletable = false;
  std::optional<std::int64_t> retention_ms;       // default: for ever
  std::optional<std::int64_t> retention_bytes;
};

struct ContextInfo {
  std::string name;
  std::string id;                  // topic id, 32 hex digits
  ContextOptions options;
  std::int64_t events = 0;         // offsets in use, system records included
  std::uint64_t bytes = 0;
  Position end;                    // the last event's
  Position start;                  // what a retention has removed lies at or before it; the beginning when nothing was
};

// What to read of a context. All given filters must match.
struct Filter {
  std::vector<std::string> types;      // any of
  std::vector<std::string> tags;       // all of
  std::string category;
  std::string tenant;
  std::string stream_prefix;
  [[nodiscard]] bool empty() const {
    return types.empty() && tags.empty() && category.empty() && tenant.empty() && stream_prefix.empty();
  }
};

// The past: at most one of the three. Design rule 9. A retention leaves of it what it leaves of the log; a moment that lies before all that is left ends with
// `removed`, by `position` and `recorded`.
struct AsOf {
  std::optional<Position> position;    // up to and including this event
  std::optional<Time> recorded;        // appended at or before: a prefix of the log
  std::optional<Time> time;            // happened (ce_time) at or before, in log order
};

struct ReadStream {
  std::string context, stream;
  bool backward = false;
  std::int64_t from_version = -1;      // inclusive; -1: from the start (or the end, backward)
  std::size_t limit = 1000;
  AsOf as_of;
};
struct StreamPage {
  std::vector<Event> events;
  std::int64_t last_version = -1;      // of the stream now (or as of); -1: no stream
  bool deleted = false;
  std::optional<std::int64_t> next_version;  // where to read on; empty: nothing more
};

struct ReadContext {
  std::string context;
  Position after;                      // exclusive
  bool backward = false;               // then: before `after`, from the end when it is empty; for contexts with one partition
  std::size_t limit = 1000;
  Filter filter;
  AsOf as_of;
  std::size_t examined_max = SIZE_MAX; // a page ends when so many events were looked at, however few matched
};
struct ContextPage {
  std::vector<Event> events;
  Position next;                       // read on after this (set even when all events were filtered out)
  bool at_end = false;                 // nothing visible after `next` when the page was made
  // So many events behind `after` (from the beginning: all the first ones) were removed by a retention before they could be read, at most: those
  // that the filter would not have matched count as well. 0: nothing is missing. Reading backward: always 0.
  std::int64_t removed = 0;
};

// Where a scan stopped: the position of the last event passed, and what was missing as in ContextPage.
struct Scanned {
  Position position;
  std::int64_t removed = 0;
};

// Where a subscription starts.
struct StartAt {
  enum class Kind { beginning, end, position, time, checkpoint } kind = Kind::beginning;
  Position position;                   // exclusive
  Time time;                           // first event appended at or after
  std::string checkpoint;              // a name; no such checkpoint yet: from the beginning
};

struct SubscribeOptions {
  std::string context;
  StartAt start;
  Filter filter;
  bool live = true;                    // false: end at what was visible at the start
  std::size_t events_per_second_max = 0;  // 0: no limit, but replays still yield to appends
};

// A catch-up subscription: pulls events in order and goes live without a gap or a duplicate. It buffers one read (256 KiB or one
// batch), whatever the speed of its consumer. One thread at a time may use it; it must be destroyed before its Store. Several partitions
// are read in turns. While others append, history is read at a bounded rate. What a retention has removed, also since the subscription began, is
// not there: it goes on with what is left, and removed() counts. After Store::close() it hands out and saves nothing more (cancelled).
class Subscription {
 public:
  virtual ~Subscription() = default;
  // Calls `visit` for each event that is there, at most `max`, waiting up to timeout_ms for the first one, however many it passes over that do
  // not match. Returns how many; 0 when none came in time. visit returns false to stop after that event; it may ask for position() and save a
  // checkpoint, which include that event. It must not throw: an event whose visit throws counts as handed out. cancelled once cancel() was called; at the end when not live: 0 and at_end().
  virtual Result<std::size_t> next(std::size_t max, std::int64_t timeout_ms,
                                   const std::function<bool(const EventView&)>& visit) = 0;
  [[nodiscard]] virtual Position position() const = 0;   // of the last event handed out (or passed over by the filter)
  // How many events between where it began and position() a retention had removed before it came to them, as in ContextPage.
  [[nodiscard]] virtual std::int64_t removed() const = 0;
  [[nodiscard]] virtual bool at_end() const = 0;
  [[nodiscard]] virtual bool live() const = 0;           // has caught up once
  virtual Status save_checkpoint(std::string_view name) = 0;  // durable when it returns; a name is UTF-8 of 1 to 100 bytes
  virtual void cancel() = 0;                             // any thread
};

struct Snapshot {
  std::int64_t version = -1;           // of the last event that went into it
  std::int32_t shape = 0;              // version of the state's shape
  std::string bytes;                   // at most 16 MiB
};
// What loading an aggregate gives: a usable snapshot, if any, and the events after it.
struct Loaded {
  std::optional<Snapshot> snapshot;
  std::vector<Event> events;
  std::int64_t version = -1;           // of the stream's last event
  bool snapshot_due = false;           // by the policy: the caller should save one
  std::optional<std::int64_t> next_version;  // there is more than LoadOptions::bytes_max: read_stream() from this version on
  bool deleted = false;                // the stream is; an append makes it again, under any or no_stream
  std::int64_t removed = 0;            // so many events, behind the snapshot or of all, a retention has removed: the state cannot be told from these
};
struct LoadOptions {
  std::int32_t shape = 0;              // snapshots of another shape are not used
  std::int64_t snapshot_every = 100;   // events; 0: never due
  std::size_t bytes_max = SIZE_MAX;    // of memory for the events, about; the first one comes in any case
};

struct StoreInfo {
  std::string store_id;
  std::int32_t epoch = 0;
  std::int64_t events = 0;
  // Exact; counts every stream that has a head. Nothing: the store was opened read-only, and a context has no index (streams() says why).
  std::optional<std::int64_t> streams;
  std::uint64_t bytes = 0;             // of the log
  std::string root;                    // 64 hex digits
  std::vector<ContextInfo> contexts;
};

class Store {
 public:
  // A relative directory is taken from the working directory of now. The process's soft limit on open files is raised to its hard one.
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(const std::string& directory, Options options = {});
  virtual ~Store() = default;
  // Waits for what was accepted, flushes indexes, writes the clean mark. Idempotent; the destructor calls it.
  virtual Status close() = 0;

  virtual Result<Appended> append(Append request) = 0;
  virtual void append_async(Append request, AppendDone done) = 0;

  virtual Status create_context(const std::string& name, const ContextOptions& options) = 0;
  virtual Status configure_context(const std::string& name, const ContextOptions& options) = 0;  // what is not fixed
  virtual Result<std::vector<ContextInfo>> contexts() = 0;
  virtual Result<ContextInfo> context(const std::string& name) = 0;

  virtual Result<StreamPage> read_stream(const ReadStream& request) = 0;
  virtual Result<ContextPage> read_context(const ReadContext& request) = 0;
  // Streams of a context with their last versions, by hash order; `after` is a stream name from the page before.
  struct StreamHead {
    std::string stream;
    std::int64_t last_version = -1;
    bool deleted = false;
  };
  struct StreamsPage {
    std::vector<StreamHead> streams;
    std::string next;                  // empty: the end
  };
  virtual Result<StreamsPage> streams(const std::string& context, const std::string& prefix, const std::string& after,
                                      std::size_t limit) = 0;
  // -1: no such stream.
  virtual Result<StreamHead> stream_head(const std::string& context, const std::string& stream) = 0;

  virtual Result<std::unique_ptr<Subscription>> subscribe(const SubscribeOptions& options) = 0;
  // What Subscription::save_checkpoint() has saved last under a name; nothing when there is no such checkpoint. invalid_argument: it is of another
  // context; corrupt names its file.
  virtual Result<std::optional<Position>> checkpoint(const std::string& context, std::string_view name) = 0;
  // How many offsets of its context lie at or before a position (progress; which of two is later). position_lost.
  virtual Result<std::int64_t> rank(const std::string& context, const Position& position) = 0;
  // The last event appended at or before `recorded`; the last visible one when it is empty. The beginning when there is none.
  virtual Result<Position> position_at(const std::string& context, std::optional<Time> recorded) = 0;
  // Scans in order, on the calling thread, without copies. visit returns false to stop; `limit` is not looked at. Returns where it stopped.
  virtual Result<Scanned> scan(const ReadContext& request, const std::function<bool(const EventView&)>& visit) = 0;

  virtual Result<Loaded> load(const std::string& context, const std::string& stream, const LoadOptions& options) = 0;
  virtual Status save_snapshot(const std::string& context, const std::string& stream, const Snapshot& snapshot) = 0;

  // Rule 8. Both append a system record and honour a condition. not_found: the stream has no events, or is deleted already. A truncation keeps
  // the last event, and hides no less than one before it. A snapshot of a version below `before_version` is of no use any more: load() gives what is left.
  virtual Result<Position> delete_stream(const std::string& context, const std::string& stream, Expect condition) = 0;
  virtual Result<Position> truncate_stream(const std::string& context, const std::string& stream, std::int64_t before_version,
                                           Expect condition) = 0;

  // Copies what was acknowledged when this was called, and perhaps more, into a new or empty directory, while appends go on; `restore` takes it.
  // Of a read-only store too, beside a writer in another process. already_exists: the target is not empty; corrupt: damage was met.
  virtual Status backup(const std::string& target_directory,
                        const std::function<void(std::uint64_t done, std::uint64_t total)>& progress) = 0;
  virtual Result<StoreInfo> info() = 0;
  // A read-only store takes in what the writer did since; others return at once.
  virtual Status refresh() = 0;
  virtual Status apply_retention() = 0;
  // An operator says that the clock of this machine is right, though it stood before the last record, or more than a year after it, when the store was
  // opened (Options::on_warning told so): time goes on from the clock, never backward, and retention by age is applied again. Noted in the catalogue.
  virtual Status confirm_clock() = 0;
};

// Restores a backup into a new or empty directory and raises the epoch there: positions issued after the backup are refused as lost.
Status restore(const std::string& backup_directory, const std::string& target_directory,
               const std::function<void(std::uint64_t done, std::uint64_t total)>& progress);

// Splits a fact by a list field of its JSON data into meaningful micro-events: `head` without the list, then one `item_type` event per
// element: {key fields of the head..., the element's fields...}. All go into one atomic append. invalid_argument: no such list, or
// an element that is not an object. Without a correlation id of its own the head's id becomes that of each item, and goes before Append::correlation_id.
struct SplitBy {
  std::string list_field;              // dots for nesting
  std::string item_type;               // "OrderLineAdded"
  std::vector<std::string> carry;      // fields of the head repeated in each item
};
Result<std::vector<NewEvent>> split_by_list(const NewEvent& event, const SplitBy& split);

}  // namespace baton
