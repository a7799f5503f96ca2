// baton import.
#include <memory>

#include "base/try.h"
#include "cli/import.h"
#include "cli/session.h"
#include "os/terminal.h"

namespace baton::cli {

namespace {

Status import(Session& session, ImportOptions options) {
  std::unique_ptr<Store> store;
  const auto open = [&]() -> Result<Store*> {
    auto opened = options.check_only ? session.open_for_reading() : session.open_for_writing(true);
    if (!opened && options.check_only && opened.error().code == Code::not_found) return nullptr;
    if (!opened) return opened.error();
    store = *std::move(opened);
    return store.get();
  };
  // The file is that of one whole import, renamed at the end; and standard output has the report.
  if (options.rejects == "-") return Error{Code::invalid_argument, "--rejects takes a file: standard output has the report ('./-' is a file of that name)"};
  options.data_directory = session.data();
  options.stop = [] { return os::interrupted(); };
  auto& out = session.out();
  auto phase = ImportProgress::Phase::reading;
  BATON_TRY_ASSIGN(const auto report, run_import(session.env(), open, options, [&](const ImportProgress& p) {
    if (p.phase != phase) out.end_progress();
    phase = p.phase;
    if (p.phase == ImportProgress::Phase::reading) out.progress(session.env().clock(), "reading", p.bytes, p.bytes_total, "bytes");
    else out.progress(session.env().clock(), p.phase == ImportProgress::Phase::merging ? "sorting" : "appending", p.events, p.events_total, "events");
  }));
  out.line(out.json() ? report_json(report) : report_text(report));
  if (report.rejected > 0) session.end_with(Exit::rejected);
  return store != nullptr ? session.close(*store) : Status();
}

}  // namespace

void add_import_command(CLI::App& app, Session& session) {
  auto o = std::make_shared<ImportOptions>();
  auto* sub = app.add_subcommand("import", "Turn rows of a file into events; may be killed and run again");
  sub->add_option("file", o->file, "CSV with a header, or NDJSON; gzip, xz and zstd are unpacked; '-': standard input")->required();
  sub->add_option("--map", o->map, "How rows become events; docs/formats/map.md says what is in it")->required();
  sub->add_option("--rejects", o->rejects, "Where rows that do not fit are written; default: FILE.rejects.csv; of a pipe ./import.rejects.csv");
  sub->add_flag("--check", o->check_only, "Read, convert and count everything, append nothing");
  sub->callback([&session, o] { session.run([&] { return import(session, *o); }); });
}

}  // namespace baton::cli
