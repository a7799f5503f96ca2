// An import, from the map to the report. By time: all rows go through the sorter, then its records to the store. By row: each row goes to
// the store at once. Either way feed() sees one fixed sequence of events, which is what makes an import resumable.
#include "cli/import.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/suggest.h"
#include "base/try.h"
#include "cli/import_append.h"
#include "cli/import_checkpoint.h"
#include "cli/import_rejects.h"
#include "cli/import_work.h"
#include "cli/map_cells.h"
#include "cli/map_file.h"
#include "cli/map_row.h"
#include "cli/sort.h"

namespace baton::cli {

namespace {

class Import {
 public:
  Import(os::Env& env, const OpenStore& open, const ImportOptions& options, const std::function<void(const ImportProgress&)>& progress)
      : env_(env), open_(open), options_(options), tell_(progress) {}

  Result<ImportReport> run() {
    const auto start = env_.clock().monotonic_ns();
    BATON_TRY(load_map());
    BATON_TRY(load_lookups());
    BATON_TRY_ASSIGN(input_, open_import_input(env_, options_.file, [this] { return work(); }, options_.stop));
    BATON_TRY_ASSIGN(const auto rows, open_rows());
    progress_.bytes_total = rows->total();
    BATON_TRY(check_rejects());  // before there is a store
    BATON_TRY_ASSIGN(store_, open_());
    BATON_TRY(open_context());
    if (options_.check_only) {
      BATON_TRY(read_rows([](const MappedEvent&) { return Status(); }));
    } else {
      const auto name = input_.name.substr(input_.name.rfind('/') + 1);
      const auto identity = base::hash64(map_->context + "\n" + name + "\n" + std::to_string(rows->total()), map_->digest);
      checkpoint_.emplace(env_.fs(), options_.data_directory, identity);
      resume_ = checkpoint_->load(*store_, map_->context);
      BATON_TRY(map_->by_time ? import_by_time() : import_by_row());
      BATON_TRY(checkpoint_->remove());
    }
    report_.context = map_->context;
    report_.seconds = static_cast<double>(env_.clock().monotonic_ns() - start) / 1e9;
    return std::move(report_);
  }

 private:
  using Sink = std::function<Status(const MappedEvent&)>;

  Status load_map() {
    BATON_TRY_ASSIGN(const auto text, os::read_file(env_.fs(), options_.map, kMapBytesMax));
    BATON_TRY_ASSIGN(map_, parse_map(base::as_text(text), options_.map));
    return {};
  }

  [[nodiscard]] std::string rejects_path() const { return options_.rejects.empty() ? input_.rejects : options_.rejects; }

  Result<ImportWork*> work() {
    if (work_ == nullptr) {
      BATON_TRY_ASSIGN(work_, ImportWork::open(env_, options_.data_directory));
    }
    return work_.get();
  }

  // A place that was named must take a file. The default one need not, as long as all rows fit.
  Status check_rejects() {
    BATON_TRY_ASSIGN(const auto rejects, RejectFile::open(env_.fs(), rejects_path()));
    return options_.rejects.empty() ? Status() : rejects.try_place();
  }

  Status open_context() {
    if (store_ == nullptr) return {};
    auto context = store_->context(map_->context);
    if (!context && context.error().code != Code::not_found) return context.error();
    if (context) context_options_ = context->options;
    else if (!options_.check_only) return make_context();
    return {};
  }

  // Another import beside the same server may be first.
  Status make_context() {
    const Status made = store_->create_context(map_->context, context_options_);
    if (made || made.error().code != Code::already_exists) return made;
    BATON_TRY_ASSIGN(const auto context, store_->context(map_->context));
    context_options_ = context.options;
    return {};
  }

  Status load_lookups() {
    std::size_t rows = 0, bytes = 0;
    for (const auto& lookup : map_->lookups) {
      LookupTable::Spec spec{.path = lookup.file, .format = lookup.format, .key = lookup.key, .columns = lookup.columns, .duplicates = lookup.duplicates,
                             .rows_max = LookupTable::kRowsMax - rows, .bytes_max = LookupTable::kBytesMax - bytes};
      const auto beside_file = os::join(os::parent(options_.file), lookup.file), beside_map = os::join(os::parent(options_.map), lookup.file);
      if (!lookup.file.starts_with('/')) {
        BATON_TRY_ASSIGN(const bool there, env_.fs().exists(beside_file));
        spec.path = there ? beside_file : beside_map;
      }
      auto table = LookupTable::load(env_, spec);
      if (!table) {
        const auto& error = table.error();
        const auto detail = error.code == Code::not_found ? "no file " + lookup.file + " beside " + options_.file + " or the map" : error.detail;
        return Error{error.code, lookup.where + ": look-up '" + lookup.name + "': " + detail};
      }
      rows += table->rows();
      bytes += std::min(table->bytes(), LookupTable::kBytesMax - bytes);
      lookups_.push_back(*std::move(table));
    }
    return {};
  }

  Result<std::unique_ptr<CellReader>> open_rows() {
    BATON_TRY_ASSIGN(auto rows, CellReader::open(env_, input_.path, map_->format, map_->columns, input_.name));
    if (!rows->missing().empty()) {
      const auto at = rows->missing().front();
      return Error{Code::invalid_argument,
                   map_->columns_where[at] + ": " + input_.name + " has no column '" + map_->columns[at] + "': " + base::suggest(map_->columns[at], rows->header())};
    }
    return rows;
  }

  Status import_by_time() {
    BATON_TRY_ASSIGN(ImportWork* const place, work());
    BATON_TRY_ASSIGN(const auto sorter, ExternalSorter::open(env_, place->path("sort"),
                                                                {.run_bytes = options_.sort_bytes, .fan_in = options_.sort_fan_in}));
    BATON_TRY(read_rows([&](const MappedEvent& event) {
      return sorter->add({event.time_ns, event.row * ImportMap::kEventsMax + event.event}, event.payload);
    }));
    lookups_.clear();
    progress_.phase = ImportProgress::Phase::merging;
    progress_.events_total = report_.events;
    tell();
    BATON_TRY(sorter->finish());
    progress_.phase = ImportProgress::Phase::appending;
    for (;;) {
      BATON_TRY_ASSIGN(const auto records, sorter->read());
      begin_feeding();
      SortKey key;
      MappedEvent event;
      while (!restart_) {
        BATON_TRY_ASSIGN(const bool have, records->next(key, event.payload));
        if (!have) break;
        event.time_ns = key.time;
        event.row = key.place / ImportMap::kEventsMax;
        event.event = static_cast<std::uint32_t>(key.place % ImportMap::kEventsMax);
        BATON_TRY(feed(event));
      }
      BATON_TRY_ASSIGN(const bool done, end_feeding());
      if (done) return {};
    }
  }

  Status import_by_row() {
    for (;;) {
      report_ = {};
      progress_.rows = 0;
      begin_feeding();
      BATON_TRY(read_rows([&](const MappedEvent& event) { return restart_ ? Status() : feed(event); }));
      BATON_TRY_ASSIGN(const bool done, end_feeding());
      if (done) return {};
    }
  }

  // Reads the whole file: rows that do not fit to the reject file, the events of the others to the sink.
  Status read_rows(const Sink& sink) {
    BATON_TRY_ASSIGN(const auto rows, open_rows());
    BATON_TRY_ASSIGN(auto rejects, RejectFile::open(env_.fs(), rejects_path()));
    RowMapper mapper(*map_, lookups_, context_options_.data_bytes_max);
    std::map<std::string, std::uint64_t> reasons;
    CellReader::Next row;
    for (;;) {
      BATON_TRY_ASSIGN(const bool have, rows->next(row));
      if (!have) break;
      progress_.rows = ++report_.rows;
      if (report_.rows % options_.look_every == 0) {
        progress_.bytes = rows->consumed();
        BATON_TRY(look());
      }
      if (const auto rejection = mapper.read(row)) {
        ++report_.rejected;
        ++reasons[rejection->column.empty() ? rejection->reason : rejection->column + ": " + rejection->reason];
        BATON_TRY(rejects.add(row.number, *rejection, row.raw));
        continue;
      }
      report_.events += mapper.events().size();
      for (const auto& event : mapper.events()) BATON_TRY(sink(event));
    }
    progress_.bytes = progress_.bytes_total;
    BATON_TRY_ASSIGN(const bool rejected, rejects.finish());
    if (rejected) report_.rejects = rejects_path();
    for (const auto& [reason, count] : reasons) report_.rejected_by.push_back({reason, count});
    std::ranges::sort(report_.rejected_by, [](const auto& a, const auto& b) { return a.count != b.count ? a.count > b.count : a.name < b.name; });
    for (std::size_t i = 0; i < map_->checks.size(); ++i) report_.checks.push_back({map_->checks[i].name, mapper.counts().checks[i]});
    report_.folds = mapper.counts().folds;
    report_.gaps = mapper.counts().gaps;
    return {};
  }

  void begin_feeding() {
    restart_ = false;
    fed_ = {};
    skipped_ = 0;
    saved_ns_ = env_.clock().monotonic_ns();
    appender_.emplace(env_, *store_, map_->context, context_options_, AppendOptions{.events_max = options_.append_events});
  }

  // One event of the sequence: passed over when the checkpoint knows it, appended otherwise.
  Status feed(const MappedEvent& event) {
    fed_.hash = hash_further(fed_.hash, event.event, event.time_ns, event.payload);
    ++fed_.events;
    if (resume_ && fed_.events <= resume_->events) {
      ++skipped_;
      restart_ = fed_.events == resume_->events && fed_.hash != resume_->hash;
      return {};
    }
    BATON_TRY_ASSIGN(auto unpacked, unpack_event(*map_, event));
    BATON_TRY(appender_->add(std::move(unpacked), event.row));
    if (fed_.events % options_.look_every != 0) return {};
    BATON_TRY(look());
    if (env_.clock().monotonic_ns() - saved_ns_ < options_.checkpoint_every_ms * 1'000'000) return {};
    return save();
  }

  // False: what the checkpoint counted is not what this file says; all must be fed again without it.
  Result<bool> end_feeding() {
    if (restart_ || (resume_ && fed_.events < resume_->events)) {
      resume_.reset();
      return false;
    }
    BATON_TRY(appender_->drain());
    report_.added = appender_->added();
    report_.duplicates = appender_->duplicates() + skipped_;
    report_.skipped = skipped_;
    tell();
    return true;
  }

  Status save() {
    BATON_TRY(appender_->drain());
    fed_.position = appender_->position();
    if (!fed_.position.is_beginning()) {
      BATON_TRY_ASSIGN(ImportWork* const place, work());
      BATON_TRY(checkpoint_->save(fed_, place->path("checkpoint")));
    }
    saved_ns_ = env_.clock().monotonic_ns();
    return {};
  }

  void tell() {
    progress_.events = skipped_ + (appender_ ? appender_->added() + appender_->duplicates() : 0);
    if (tell_) tell_(progress_);
  }

  Status look() {
    tell();
    if (!options_.stop || !options_.stop()) return {};
    if (appender_ && fed_.events > skipped_) BATON_TRY(save());
    return Error{Code::cancelled, "stopped after " + std::to_string(progress_.rows) + " rows; run the same command again to go on"};
  }

  os::Env& env_;
  const OpenStore& open_;
  std::unique_ptr<ImportWork> work_;  // behind all that lies in it
  ImportInput input_;
  Store* store_ = nullptr;
  const ImportOptions& options_;
  const std::function<void(const ImportProgress&)>& tell_;
  std::optional<ImportMap> map_;
  ContextOptions context_options_;
  std::vector<LookupTable> lookups_;
  std::optional<ImportCheckpointFile> checkpoint_;
  std::optional<ImportCheckpoint> resume_;
  std::optional<EventAppender> appender_;
  ImportCheckpoint fed_;   // how far the sequence is
  std::uint64_t skipped_ = 0;
  std::int64_t saved_ns_ = 0;
  bool restart_ = false;
  ImportProgress progress_;
  ImportReport report_;
};

}  // namespace

Result<ImportReport> run_import(os::Env& env, const OpenStore& open, const ImportOptions& options,
                                const std::function<void(const ImportProgress&)>& progress) {
  return Import(env, open, options, progress).run();
}

}  // namespace baton::cli
