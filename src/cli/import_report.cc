#include <fmt/format.h>

#include "cli/import.h"
#include "cli/output.h"

namespace baton::cli {

namespace {

void put_counts(std::string& out, std::string_view key, const std::vector<ImportReport::Count>& counts) {
  out += fmt::format(",\"{}\":{{", key);
  for (const auto& count : counts) {
    if (&count != &counts.front()) out += ',';
    put_json_string(out, count.name);
    out += fmt::format(":{}", count.count);
  }
  out += '}';
}

}  // namespace

std::string report_text(const ImportReport& report) {
  const auto rate = report.seconds > 0 ? static_cast<double>(report.added) / report.seconds : 0;
  auto out = fmt::format("{} rows say {} events of context {}\n", with_commas(report.rows), with_commas(report.events), report.context);
  out += fmt::format("  {} added, {} there before", with_commas(report.added), with_commas(report.duplicates));
  if (report.added > 0) out += fmt::format(", in {:.1f} s ({} events/s)", report.seconds, with_commas(static_cast<std::uint64_t>(rate)));
  const auto line = [&](std::uint64_t count, std::string_view what) { out += fmt::format("\n  {:>11}  {}", with_commas(count), what); };
  if (report.rejected > 0) {
    out += fmt::format("\n{} rows do not fit, and are in {}", with_commas(report.rejected), report.rejects);
    for (const auto& reason : report.rejected_by) line(reason.count, reason.name);
  }
  if (!report.checks.empty()) out += "\nWhat the map's checks found";
  for (const auto& check : report.checks) line(check.count, check.name);
  if (report.folds > 0) out += fmt::format("\n{} local times happen twice, and were read as the map says", with_commas(report.folds));
  if (report.gaps > 0) out += fmt::format("\n{} local times never happen, and were shifted", with_commas(report.gaps));
  return out;
}

std::string report_json(const ImportReport& report) {
  std::string out = "{\"context\":";
  put_json_string(out, report.context);
  out += fmt::format(R"(,"rows":{},"events":{},"added":{},"duplicates":{},"skipped":{},"rejected":{})", report.rows, report.events, report.added,
                     report.duplicates, report.skipped, report.rejected);
  put_counts(out, "rejected_by", report.rejected_by);
  put_counts(out, "checks", report.checks);
  out += fmt::format(R"(,"folds":{},"gaps":{},"rejects":)", report.folds, report.gaps);
  if (report.rejects.empty()) out += "null";
  else put_json_string(out, report.rejects);
  out += fmt::format(",\"seconds\":{:.3f}}}", report.seconds);
  return out;
}

}  // namespace baton::cli
