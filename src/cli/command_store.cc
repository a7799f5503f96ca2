// baton info, verify, backup, restore.
#include <memory>

#include <fmt/format.h>

#include "base/hex.h"
#include "base/try.h"
#include "cli/session.h"
#include "log/log.h"
#include "store/verify.h"

namespace baton::cli {

namespace {

Status info(Session& session) {
  BATON_TRY_ASSIGN(auto store, session.open_for_reading());
  BATON_TRY_ASSIGN(const auto i, store->info());
  auto& out = session.out();
  if (out.json()) {
    std::string text = fmt::format("{{\"store_id\":\"{}\",\"epoch\":{},\"events\":{},\"streams\":{},\"bytes\":{},\"root\":\"{}\",\"contexts\":[", i.store_id, i.epoch,
                                   i.events, i.streams ? std::to_string(*i.streams) : "null", i.bytes, i.root);
    for (std::size_t c = 0; c < i.contexts.size(); ++c) {
      text += c > 0 ? ",{\"context\":" : "{\"context\":";
      put_json_string(text, i.contexts[c].name);
      text += fmt::format(",\"events\":{},\"bytes\":{},\"end\":\"{}\"}}", i.contexts[c].events, i.contexts[c].bytes, i.contexts[c].end.token);
    }
    out.line(text + "]}");
    return {};
  }
  out.line(fmt::format("{}  {}", out.bold("store"), i.store_id));
  out.line(fmt::format("events   {}", with_commas(static_cast<std::uint64_t>(i.events))));
  out.line("streams  " + (i.streams ? with_commas(static_cast<std::uint64_t>(*i.streams)) : "not known: 'baton streams' says why"));
  out.line(fmt::format("log      {}", human_bytes(i.bytes)));
  out.line(fmt::format("epoch    {} (raised by each open for writing)", i.epoch));
  out.line(fmt::format("root     {}", i.root));
  for (const auto& c : i.contexts)
    out.line(fmt::format("context  {}: {} events, {}", c.name, with_commas(static_cast<std::uint64_t>(c.events)), human_bytes(c.bytes)));
  return {};
}

Status verify(Session& session, const std::string& root_text) {
  std::optional<log::Hash256> root;
  if (!root_text.empty()) {
    const auto bytes = base::from_hex(root_text);
    if (!bytes || bytes->size() != 32) return Error{Code::invalid_argument, "--root takes 64 hex digits, as 'baton info' prints them"};
    root.emplace();
    std::memcpy(root->data(), bytes->data(), 32);
  }
  auto& out = session.out();
  BATON_TRY_ASSIGN(const auto verified, store::verify_store(session.env(), session.data(), root, [&](std::uint64_t done, std::uint64_t total) {
    out.progress(session.env().clock(), "verified", done, total, "bytes");
  }));
  const log::VerifyReport& report = verified.log;
  out.end_progress();
  const std::string root_now = base::to_hex(std::as_bytes(std::span(report.root)));
  for (const auto& f : report.findings) {
    if (out.json()) {
      std::string text = "{\"file\":";
      put_json_string(text, f.file);
      text += fmt::format(",\"position\":{},\"what\":", f.position);
      put_json_string(text, f.what);
      out.line(text + "}");
    } else {
      out.line(fmt::format("{} {} at byte {}: {}", out.red("DAMAGED"), f.file, f.position, f.what));
    }
  }
  if (out.json()) {
    std::string notes;
    for (const auto& note : report.notes) {
      if (!notes.empty()) notes += ',';
      put_json_string(notes, note);
    }
    out.line(fmt::format("{{\"findings\":{},\"batches\":{},\"records\":{},\"bytes\":{},\"segments\":{},\"journal_records\":{},\"root\":\"{}\",\"root_found\":{},\"indexes\":{},"
                         "\"index_entries\":{},\"heads\":{},\"notes\":[{}]}}",
                         report.findings.size(), report.batches, report.records, report.bytes, report.segments, report.journal_records, root_now, report.root_found,
                         verified.indexes, verified.index_entries, verified.heads, notes));
  } else {
    for (const auto& note : report.notes) out.line("note: " + note);
    out.line(fmt::format("{} records in {} batches, {} segments, {}: {}", with_commas(report.records), with_commas(report.batches), report.segments,
                         human_bytes(report.bytes), report.findings.empty() ? out.green("all good") : out.red(fmt::format("{} findings", report.findings.size()))));
    if (report.journal_records > 0) out.line(fmt::format("{} more records in the journal alone, as they are until the next open for writing", with_commas(report.journal_records)));
    out.line(fmt::format("{} indexes with {} entries compared with the log{}", verified.indexes, with_commas(verified.index_entries),
                         verified.heads > 0 ? fmt::format(", {} streams in heads snapshots", with_commas(verified.heads)) : ""));
    out.line("root " + root_now);
  }
  if (!report.root_found) {
    session.end_with(Exit::corrupt);
    if (!out.json()) out.line(out.red("the root that was asked for is not in this store's history"));
  }
  if (!report.findings.empty()) session.end_with(Exit::corrupt);
  return {};
}

}  // namespace

void add_store_commands(CLI::App& app, Session& session) {
  app.add_subcommand("confirm-clock", "Say that this machine's clock is right, after a warning that it contradicts the log")->callback([&session] {
    session.run([&]() -> Status {
      BATON_TRY_ASSIGN(const auto store, session.open_for_writing(false));
      BATON_TRY(store->confirm_clock());
      session.out().line(session.out().json() ? "{\"confirmed\":true}" : "confirmed: time goes on from this machine's clock, and retention by age is applied again");
      return session.close(*store);
    });
  });
  app.add_subcommand("info", "What the store holds")->callback([&session] { session.run([&] { return info(session); }); });
  {
    auto root = std::make_shared<std::string>();
    auto* sub = app.add_subcommand("verify", "Read everything and check it; changes nothing");
    sub->add_option("--root", *root, "Prove all that was sealed up to this root")->check(not_empty());
    sub->callback([&session, root] { session.run([&] { return verify(session, *root); }); });
  }
  {
    auto target = std::make_shared<std::string>();
    auto* sub = app.add_subcommand("backup", "Copy the store, consistent as of now, while it may be appended to");
    sub->add_option("target", *target, "A new or empty directory")->required();
    sub->callback([&session, target] {
      session.run([&]() -> Status {
        BATON_TRY_ASSIGN(auto store, session.open_for_reading());
        BATON_TRY(store->backup(*target, [&](std::uint64_t done, std::uint64_t total) {
          session.out().progress(session.env().clock(), "copied", done, total, "bytes");
        }));
        session.out().line(session.out().json() ? "{\"backup\":true}" : "backup written to " + *target + "; 'baton restore " + *target + " --data NEW' brings it back");
        return session.close(*store);
      });
    });
  }
  {
    auto source = std::make_shared<std::string>();
    auto* sub = app.add_subcommand("restore", "Make the data directory from a backup; it must be new or empty");
    sub->add_option("backup", *source, "The backup's directory")->required();
    sub->callback([&session, source] {
      session.run([&]() -> Status {
        BATON_TRY(restore(*source, session.data(), [&](std::uint64_t done, std::uint64_t total) {
          session.out().progress(session.env().clock(), "copied", done, total, "bytes");
        }));
        session.out().line(session.out().json() ? "{\"restored\":true}"
                                                : "restored to " + session.data() + "; the epoch was raised: positions issued after the backup are refused as lost");
        return {};
      });
    });
  }
}

}  // namespace baton::cli
