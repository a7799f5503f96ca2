#include "cli/import_process_for_test.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>

#include <baton/store.h>

#include "base/hash.h"

extern char** environ;

namespace baton::cli::for_test {

namespace {

namespace files = std::filesystem;

constexpr const char* kMap = R"(
context: big
order_by: time
fields:
  n: {column: n, type: integer}
  at: {column: at, type: time}
  stream: {column: stream}
  amount: {column: amount, type: decimal}
events:
  - {type: Measured, stream: "s-{stream}", id: "m-{n}", time: at, tags: ["stream:{stream}"], data: {n: n, amount: amount, stream: stream}}
checks:
  - {name: large, when: amount > 900}
)";

// Rows of about 400 bytes, in no order; a few that do not fit.
void make_file(const files::path& path, std::uint64_t bytes) {
  std::mt19937_64 random(11);
  std::ofstream out(path, std::ios::binary);
  std::string text = "n,at,stream,amount,note\n", note(340, 'x');
  std::uint64_t written = 0;
  for (std::uint64_t n = 0; written + text.size() < bytes; ++n) {
    for (std::size_t i = 0; i < 20; ++i) note[random() % note.size()] = static_cast<char>('a' + random() % 26);
    char time[32];
    const auto r = random();
    std::snprintf(time, sizeof time, "2014-%02d-%02dT%02d:%02d:%02d", static_cast<int>(1 + r % 12), static_cast<int>(1 + r / 16 % 28), static_cast<int>(r / 512 % 24),
                  static_cast<int>(r / 16384 % 60), static_cast<int>(r / 1'048'576 % 60));
    text += (random() % 10'000 == 0 ? "odd" : std::to_string(n)) + "," + time + "," + std::to_string(random() % 100'000) + "," + std::to_string(random() % 1000) + ".50," + note + "\n";
    if (text.size() < 1u << 20) continue;
    out << text;
    written += text.size();
    text.clear();
  }
  out << text;
}

std::uint64_t anonymous_bytes(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8)) * 1024;
  return 0;
}

std::uint64_t bytes_below(const files::path& path) {
  std::uint64_t out = 0;
  std::error_code error;
  for (auto at = files::recursive_directory_iterator(path, error); !error && at != files::recursive_directory_iterator(); at.increment(error)) {
    std::error_code gone;
    const auto size = at->is_regular_file(gone) ? files::file_size(at->path(), gone) : 0;
    if (!gone) out += size;
  }
  return out;
}

struct Ended {
  int exit_code = -1;  // -1: killed
  double seconds = 0;
};

class Imports {
 public:
  explicit Imports(const KilledImport& plan) : plan_(plan) {
    std::string pattern = ::testing::TempDir() + "baton-import-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    make_file(directory_ / "rows.csv", plan.bytes);
    std::ofstream(directory_ / "map.yaml") << kMap;
  }
  ~Imports() { files::remove_all(directory_); }

  [[nodiscard]] files::path path(const char* name) const { return directory_ / name; }
  [[nodiscard]] std::uint64_t peak() const { return peak_; }

  // Runs until its end, or kills it when `when` says so.
  template <typename When>
  Ended run(const char* store, const When& when) {
    const auto data = path(store).string(), file = path("rows.csv").string(), map = path("map.yaml").string(), rejects = path(store).string() + ".rejects.csv";
    const char* arguments[] = {BATON_PROGRAM, "import", file.c_str(), "--map", map.c_str(), "--rejects", rejects.c_str(), "--data", data.c_str(), nullptr};
    const auto start = std::chrono::steady_clock::now();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, BATON_PROGRAM, &actions, nullptr, const_cast<char**>(arguments), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    bool killed = false;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
      peak_ = std::max(peak_, anonymous_bytes(pid));
      if (!killed && when()) {
        ::kill(pid, SIGKILL);
        killed = true;
      }
      ::poll(nullptr, 0, 10);  // between two looks
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, took.count()};
  }

  struct Content {
    std::uint64_t events = 0, hash = 0;
    std::string rejects;
  };
  Content content(const char* store) {
    Content out;
    auto opened = Store::open(path(store), {});
    EXPECT_TRUE(opened) << opened.error().to_string();
    if (!opened) return out;
    std::string line;
    const auto scanned = (*opened)->scan({.context = "big", .after = {}, .limit = SIZE_MAX, .filter = {}, .as_of = {}}, [&](const EventView& e) {
      line.clear();
      for (const auto part : {e.stream, e.type, e.id, e.time_text, e.data, e.source, e.correlation_id}) line.append(part).push_back('\n');
      line += std::to_string(e.version) + "@" + std::to_string(e.offset);
      for (std::size_t i = 0; i < e.tag_count; ++i) line.append(e.tags[i]).push_back('\n');
      out.hash = base::hash64(line, out.hash);
      ++out.events;
      return true;
    });
    EXPECT_TRUE(scanned);
    std::ifstream rejects(path(store).string() + ".rejects.csv", std::ios::binary);
    out.rejects.assign(std::istreambuf_iterator<char>(rejects), {});
    return out;
  }

 private:
  KilledImport plan_;
  files::path directory_;
  std::uint64_t peak_ = 0;
};

}  // namespace

void import_with_kills(const KilledImport& plan) {
  Imports imports(plan);
  const auto clean = imports.run("clean", [] { return false; });
  ASSERT_EQ(clean.exit_code, 3);  // some rows do not fit
  const auto expected = imports.content("clean");
  ASSERT_GT(expected.events, plan.bytes / 500);
  const auto topics = bytes_below(imports.path("clean") / "topics");
  int killed = 0;
  // Once while rows are sorted, then at even distances while events are appended.
  for (int kill = 0; kill < plan.kills; ++kill) {
    const auto ended = imports.run("killed", [&] {
      if (kill == 0) return bytes_below(imports.path("killed") / "tmp") > plan.bytes / 40;
      return bytes_below(imports.path("killed") / "topics") > topics * static_cast<std::uint64_t>(kill) / static_cast<std::uint64_t>(plan.kills);
    });
    killed += ended.exit_code == -1 ? 1 : 0;
  }
  EXPECT_EQ(killed, plan.kills);
  const auto last = imports.run("killed", [] { return false; });
  ASSERT_EQ(last.exit_code, 3);
  const auto found = imports.content("killed");
  EXPECT_EQ(found.events, expected.events);
  EXPECT_EQ(found.hash, expected.hash);
  EXPECT_EQ(found.rejects, expected.rejects);
  EXPECT_FALSE(files::exists(imports.path("killed") / "tmp"));
  std::printf("%llu MB, %llu events: one import %.1f s (%.0f events/s), peak RssAnon %llu MiB, killed %d times\n", static_cast<unsigned long long>(plan.bytes / 1'000'000),
              static_cast<unsigned long long>(expected.events), clean.seconds, static_cast<double>(expected.events) / clean.seconds,
              static_cast<unsigned long long>(imports.peak() >> 20), killed);
  if (plan.anonymous_max > 0) EXPECT_LE(imports.peak(), plan.anonymous_max);
}

}  // namespace baton::cli::for_test
