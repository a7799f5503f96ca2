// What the tests of the import share: a simulated machine with files, a store, and its events as lines.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "cli/import.h"
#include "cli/output.h"
#include "os/sim_env.h"
#include "store/store_impl.h"

namespace baton::cli::for_test {

inline Options small_store() {
  Options options;
  options.segment_bytes = 1u << 20;
  options.journal_bytes = 1u << 20;
  options.index_table_entries = 1024;
  return options;
}

inline void write_file(os::FileSystem& fs, const std::string& path, std::string_view text) {
  (void)fs.remove(path);
  const auto status = os::replace_file(fs, path, base::as_bytes(text));
  ASSERT_TRUE(status.ok()) << status.error().to_string();
}

inline std::string read_text(os::FileSystem& fs, const std::string& path) {
  const auto content = os::read_file(fs, path, 64u << 20);
  return content ? std::string(base::as_text(*content)) : "(no file " + path + ")";
}

// An event as docs/formats/map.md shows it. `with_versions`: and with its place in stream and log.
inline std::string line_of(const Event& event, bool with_versions) {
  std::string out = "{\"type\":";
  const auto text = [&](const char* key, std::string_view value) {
    if (value.empty()) return;
    out += std::string(",\"") + key + "\":";
    put_json_string(out, value);
  };
  put_json_string(out, event.type);
  text("stream", event.stream);
  text("id", event.id);
  text("time", event.time.to_string());
  text("tenant", event.tenant);
  if (event.correlation_id != event.id) text("correlation", event.correlation_id);
  text("causation", event.causation_id);
  text("subject", event.subject);
  if (!event.tags.empty()) {
    out += ",\"tags\":[";
    for (const auto& tag : event.tags) {
      if (&tag != &event.tags.front()) out += ',';
      put_json_string(out, tag);
    }
    out += ']';
  }
  if (with_versions) out += ",\"version\":" + std::to_string(event.version) + ",\"offset\":" + std::to_string(event.offset) + ",\"source\":\"" + event.source + '"';
  return out + ",\"data\":" + event.data + "}";
}

inline std::vector<std::string> lines_of(Store& store, const std::string& context, bool with_versions = false) {
  std::vector<std::string> out;
  const auto scanned = store.scan({.context = context, .after = {}, .limit = 100'000'000, .filter = {}, .as_of = {}}, [&](const EventView& view) {
    out.push_back(line_of(view.to_event(), with_versions));
    return true;
  });
  if (!scanned) out.push_back(scanned.error().to_string());
  return out;
}

// A machine with one process and one store in /data; files go to /in.
class ImportTest : public ::testing::Test {
 protected:
  explicit ImportTest(os::SimOptions options = {}) : world_(options) {
    boot();
    (void)env_->fs().make_directory("/in");
    (void)env_->fs().sync_directory("/");
    options_.file = "/in/rows.csv";
    options_.map = "/in/map.yaml";
    options_.data_directory = "/data";
  }
  ~ImportTest() override {
    store_ = nullptr;
    env_ = nullptr;
  }
  void boot() { env_ = std::make_unique<os::SimEnv>(world_); }
  Status open() {
    auto opened = store::open_store(*env_, "/data", small_store());
    if (!opened) return opened.error();
    store_ = *std::move(opened);
    return {};
  }
  void write(const std::string& path, std::string_view text) { write_file(env_->fs(), path, text); }
  Result<ImportReport> import() {
    if (!store_) {
      if (auto opened = open(); !opened) return opened.error();
    }
    return run_import(*env_, [this]() -> Result<Store*> { return store_.get(); }, options_, [this](const ImportProgress& p) { progress_ = p; });
  }
  // Imports these rows with this map.
  Result<ImportReport> import(std::string_view map, std::string_view rows) {
    write(options_.map, map);
    write(options_.file, rows);
    return import();
  }
  // The error that these give, or what went well instead.
  std::string error_of(std::string_view map, std::string_view rows) {
    const auto report = import(map, rows);
    return report ? "no error: " + report_json(*report) : report.error().detail;
  }
  std::string rejects() { return read_text(env_->fs(), "/in/rows.csv.rejects.csv"); }

  os::SimWorld world_;
  std::unique_ptr<os::SimEnv> env_;
  std::unique_ptr<Store> store_;
  ImportOptions options_;
  ImportProgress progress_;
};

}  // namespace baton::cli::for_test
