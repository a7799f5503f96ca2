// The configuration of `baton serve`: one table of keys (config_keys.cc), from which parsing, defaults, environment variables, the page
// docs/configuration.md and what `baton config` prints are made.
//
// A value comes from, the later the stronger: its default, the file, the environment, the command line.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <baton/store.h>

#include "os/file.h"
#include "server/logger.h"

namespace baton::server {

// Bounds on what clients can take. All connections of a listener share them.
struct Limits {
  std::uint64_t frame_bytes = 100u << 20;        // of one request
  std::uint64_t requests = 64;                   // in flight on one connection
  std::uint64_t reply_bytes = 16u << 20;         // not yet taken by the client: no further request is begun beyond it
  std::uint64_t total_frame_bytes = 256u << 20;  // of all requests in flight
  std::uint64_t connections = 16'384;
  std::uint64_t connections_per_address = 12'000;
  std::uint64_t connections_per_second = 2'000;
  std::uint64_t idle_ms = 600'000;
  std::uint64_t handshake_ms = 10'000;    // until the first request is complete
  std::uint64_t frame_ms = 30'000;        // for a request that has begun, or 64 KiB a second
  std::uint64_t slow_reader_ms = 30'000;  // for replies that are on their way, or 64 KiB a second
};

struct ListenAddress {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string advertised_host;        // empty: `address`
  std::uint16_t advertised_port = 0;  // 0: the port that is listened on
};

struct HttpSettings {
  std::string hosts;  // names with commas between them
  std::uint64_t body_bytes = 8u << 20;
  std::uint32_t header_bytes = 16u << 10;
  std::size_t readers = 2;
  std::size_t event_streams = 10'000;
  std::int64_t query_timeout_ms = 10'000;
};

struct Topics {
  std::int32_t default_partitions = 1;
  bool auto_create = true;
  std::size_t topics_max = 10'000;
  std::size_t partitions_max = 100'000;
  std::int64_t retention_ms = -1;  // of a new plain topic that does not say; -1: for ever
  std::uint64_t retention_check_ms = 300'000;
};

// What may be set of broker::RightsOptions.
struct AccessSettings {
  bool enabled = false;
  bool allow_without_acl = false;
  std::string super_users;  // with commas between them
};

// What may be set of broker::GroupOptions.
struct GroupSettings {
  std::int32_t initial_rebalance_delay_ms = 0;
  std::int32_t session_timeout_min_ms = 6'000;
  std::int32_t session_timeout_max_ms = 1'800'000;
  std::int64_t offsets_retention_ms = 7LL * 24 * 60 * 60 * 1000;
  std::size_t members_max = 5'000;
};

struct Config {
  std::string data = "./baton-data";
  bool insecure = false;
  std::uint64_t shutdown_ms = 5'000;
  Options store;
  ListenAddress kafka{.port = 9092};
  ListenAddress http{.port = 8081};
  HttpSettings http_settings;
  std::string views;  // files with commas between them
  std::uint64_t network_threads = 2;
  Topics topics;
  GroupSettings groups;
  AccessSettings access;
  Limits limits;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

// One key of the table.
struct ConfigKey {
  std::string name;    // "kafka.advertised.host"; in YAML, each dot is a level
  std::string values;  // what it may be, for people: "0 to 65535"
  std::string what;    // one sentence
  std::function<std::string(const Config&)> get;
  std::function<Status(Config&, const std::string& text)> set;  // invalid_argument: says what it may be

  [[nodiscard]] std::string environment() const;  // "BATON_KAFKA_ADVERTISED_HOST"
};
[[nodiscard]] const std::vector<ConfigKey>& config_keys();

// "a, b" -> "a", "b"
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

struct ConfigInputs {
  std::optional<std::string> file;  // must exist; without it, BATON_CONFIG, then ./baton.yaml if it is there
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::vector<std::string> environment_names = {};  // of all variables; for what may have been misspelt
  struct Flag {
    std::string key, value;
    std::string source;  // as it was written: "--kafka-port"
  };
  std::vector<Flag> flags;  // the last one wins
};

struct EffectiveConfig {
  Config config;
  std::map<std::string, std::string, std::less<>> sources;  // key -> "default", "baton.yaml:3", "BATON_KAFKA_PORT", "--set"

  std::vector<std::string> warnings;  // of what was given and has no effect

  // As YAML that can be read again, each value with where it came from.
  [[nodiscard]] std::string to_yaml() const;
  // One object: {"kafka.port":{"value":"9092","from":"default"}, ...}
  [[nodiscard]] std::string to_json() const;
};

// Reads, overrides and checks. invalid_argument names place and key; not_found: the file that was named is not there.
[[nodiscard]] Result<EffectiveConfig> load_config(os::FileSystem& fs, const ConfigInputs& inputs);
// The file's part of it, for tests: `text` as if it stood in `file`.
[[nodiscard]] Status apply_config_text(EffectiveConfig& to, std::string_view text, const std::string& file);
// What no single key can know: limits that contradict one another, and listeners that would be open to others (S2). The error names where each comes from.
[[nodiscard]] Status check_config(const EffectiveConfig& effective);

// docs/configuration.md.
[[nodiscard]] std::string configuration_page();

}  // namespace baton::server
