// The table of keys.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/try.h"
#include "server/address.h"
#include "server/config.h"

namespace baton::server {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kDayMs = 86'400'000;

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 3> kUnits{
    {{"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}}};

Error wrong(const std::string& name, const std::string& values, const std::string& text, const std::string& more = {}) {
  return {Code::invalid_argument, "'" + name + "' must be " + values + ", not '" + text + "'" + more};
}

// What follows a number that was given with a unit.
std::string_view unit_of(std::string_view text) {
  const auto end = text.find_first_not_of("0123456789");
  if (end == 0 || end == std::string_view::npos) return {};
  text.remove_prefix(end);
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const bool word = std::ranges::all_of(text, [](unsigned char c) { return std::isalpha(c) != 0; });
  return word ? text : std::string_view();
}

// How it is given, of a value that has a unit which is not known.
std::string unit_of_bytes(const std::string& text) {
  const auto unit = unit_of(text);
  if (unit.empty() || std::ranges::find(kUnits, unit, [](const auto& known) { return known.first; }) != kUnits.end()) return {};
  return ": the units are KiB, MiB and GiB, or none for bytes";
}
std::string unit_of_ms(const std::string& text) { return unit_of(text).empty() ? "" : ": it is a number of milliseconds, without a unit"; }
std::string no_unit(const std::string&) { return {}; }
auto unit_by_name(std::string_view name) { return name.ends_with("_ms") ? unit_of_ms : no_unit; }

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  for (const auto& [unit, factor] : kUnits) {
    if (!text.ends_with(unit)) continue;
    text.remove_suffix(unit.size());
    const auto number = parse_number(text.substr(0, text.find_last_not_of(' ') + 1));
    if (!number || *number > std::numeric_limits<std::uint64_t>::max() / factor) return std::nullopt;
    return *number * factor;
  }
  return parse_number(text);
}

std::string bytes_text(std::uint64_t n) {
  for (auto unit = kUnits.rbegin(); unit != kUnits.rend(); ++unit) {
    if (n > 0 && n % unit->second == 0) return std::to_string(n / unit->second) + unit->first.data();
  }
  return std::to_string(n);
}

// Each maker takes a lambda that leads from a Config to the field.
template <typename Field, typename Parse, typename Show>
ConfigKey scaled(const std::string& name, Field field, std::uint64_t min, std::uint64_t max, Parse parse, Show show,
                 std::string (*about_unit)(const std::string&), std::string what) {
  const std::string values = show(min) + " to " + show(max);
  return {name, values, std::move(what), [=](const Config& c) { return show(static_cast<std::uint64_t>(field(c))); },
          [=](Config& c, const std::string& text) -> Status {
            const auto given = parse(text);
            if (!given || *given < min || *given > max) return wrong(name, values, text, about_unit(text));
            auto& into = field(c);
            into = static_cast<std::remove_reference_t<decltype(into)>>(*given);
            return {};
          }};
}

template <typename Field>
ConfigKey number(const std::string& name, Field field, std::uint64_t min, std::uint64_t max, std::string what) {
  return scaled(name, field, min, max, parse_number, [](std::uint64_t n) { return std::to_string(n); }, unit_by_name(name), std::move(what));
}

template <typename Field>
ConfigKey bytes(const std::string& name, Field field, std::uint64_t min, std::uint64_t max, std::string what) {
  return scaled(name, field, min, max, parse_bytes, bytes_text, unit_of_bytes, std::move(what));
}

// Milliseconds, or -1.
template <typename Field>
ConfigKey time_or_for_ever(const std::string& name, Field field, std::string what) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::string values = "-1 to " + std::to_string(kMax);
  return {name, values, std::move(what), [=](const Config& c) { return std::to_string(field(c)); },
          [=](Config& c, const std::string& text) -> Status {
            const auto given = parse_number(text);
            if (text != "-1" && (!given || *given > kMax)) return wrong(name, values, text, unit_by_name(name)(text));
            field(c) = text == "-1" ? -1 : static_cast<std::int64_t>(*given);
            return {};
          }};
}

template <typename Field>
ConfigKey choice(const std::string& name, Field field, const std::vector<std::string>& words, std::string what) {
  std::string values;
  for (const auto& word : words) values += (values.empty() ? "" : " or ") + word;
  return {name, values, std::move(what), [=](const Config& c) { return words[static_cast<std::size_t>(field(c))]; },
          [=](Config& c, const std::string& text) -> Status {
            const auto found = std::ranges::find(words, text);
            if (found == words.end()) return wrong(name, values, text);
            auto& into = field(c);
            into = static_cast<std::remove_reference_t<decltype(into)>>(found - words.begin());
            return {};
          }};
}

template <typename Field>
ConfigKey text(const std::string& name, Field field, const std::string& values, bool (*good)(const std::string&),
               std::string what) {
  return {name, values, std::move(what), [=](const Config& c) { return field(c); },
          [=](Config& c, const std::string& given) -> Status {
            if (!good(given)) return wrong(name, values, given);
            field(c) = given;
            return {};
          }};
}

bool is_path(const std::string& s) {
  return !s.empty() && s.size() <= 4096 && std::ranges::none_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}
bool is_ip_address(const std::string& s) { return reach_of(s).has_value(); }
bool is_list(const std::string& s);
bool is_principal_list(const std::string& s) {
  return is_list(s) && std::ranges::all_of(split_list(s), [](const std::string& one) {
           const auto colon = one.find(':');
           return colon != std::string::npos && colon > 0 && colon + 1 < one.size() && one[colon + 1] != '@' && !one.ends_with('@');
         });
}
bool is_list(const std::string& s) {
  return s.size() <= 16'384 && std::ranges::none_of(s, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}
bool is_host(const std::string& s) {
  return s.empty() || (s.size() <= 255 && std::ranges::all_of(s, [](unsigned char c) {
                         return std::isalnum(c) || c == '.' || c == '-' || c == ':' || c == '_';
                       }));
}

bool is_host_list(const std::string& s) { return is_list(s) && std::ranges::all_of(split_list(s), is_host); }

#define BATON_FIELD(path) [](auto& c) -> auto& { return c.path; }

std::vector<ConfigKey> make_keys() {
  return {
      text("data", BATON_FIELD(data), "a path", is_path, "The data directory; made if it is not there."),
      choice("insecure", BATON_FIELD(insecure), {"false", "true"},
             "Allows listeners that other machines reach, although there is neither authentication nor TLS."),
      number("shutdown_ms", BATON_FIELD(shutdown_ms), 0, kDayMs, "How long requests in flight may take to end after SIGTERM."),

      choice("store.durability", BATON_FIELD(store.durability), {"fsync", "interval"},
             "`fsync`: acknowledged is on disk. `interval`: a crash of the machine may lose the last `store.interval_ms`."),
      number("store.interval_ms", BATON_FIELD(store.interval_ms), 1, 60'000,
             "How often the journal is synced, with `store.durability: interval`."),
      bytes("store.segment_bytes", BATON_FIELD(store.segment_bytes), kMiB, 2048 * kMiB,
            "Size of a segment, the files that hold the log."),
      bytes("store.journal_bytes", BATON_FIELD(store.journal_bytes), kMiB, 4096 * kMiB,
            "Size of the journal; a part of it is read again after a crash."),
      bytes("store.pending_bytes", BATON_FIELD(store.pending_bytes_max), kMiB, 16384 * kMiB,
            "Appends that wait for the log; more are turned away until it is less."),
      number("store.index_table_entries", BATON_FIELD(store.index_table_entries), 1024, 1u << 26,
             "Entries of 24 bytes that each of the two index tables keeps in memory. The partitions of all contexts share them, and each has room for 1024 to 4096 in any case."),

      text("kafka.address", BATON_FIELD(kafka.address), "an IP address", is_ip_address,
           "Where clients of the Kafka protocol connect. `0.0.0.0`: every interface."),
      number("kafka.port", BATON_FIELD(kafka.port), 0, 65'535, "The port. 0: any that is free."),
      text("kafka.advertised.host", BATON_FIELD(kafka.advertised_host), "a host name or an IP address", is_host,
           "The host that clients are told to connect to. Empty: `kafka.address`."),
      number("kafka.advertised.port", BATON_FIELD(kafka.advertised_port), 0, 65'535,
             "The port that they are told. 0: the one that is listened on."),

      text("http.address", BATON_FIELD(http.address), "an IP address", is_ip_address,
           "Where HTTP clients connect. `0.0.0.0`: every interface."),
      number("http.port", BATON_FIELD(http.port), 0, 65'535, "The port. 0: any that is free."),
      text("http.advertised.host", BATON_FIELD(http.advertised_host), "a host name or an IP address", is_host,
           "The name by which clients reach this server, which is then allowed as their Host. Empty: `http.address`."),
      number("http.advertised.port", BATON_FIELD(http.advertised_port), 0, 65'535,
             "The port by which they do. 0: the one that is listened on."),
      text("http.hosts", BATON_FIELD(http_settings.hosts), "host names with commas between them", is_host_list,
           "Further names that requests may ask for in Host. Names and addresses of this machine's loopback always may; a request for another one is refused, so that no page in "
           "a browser reaches this server by a name of its own."),
      bytes("http.body_bytes", BATON_FIELD(http_settings.body_bytes), 1024, 1024 * kMiB, "The largest body of a request."),
      bytes("http.header_bytes", BATON_FIELD(http_settings.header_bytes), 1024, kMiB, "The largest request line and headers together."),
      number("http.readers", BATON_FIELD(http_settings.readers), 1, 256, "Threads that read streams and contexts and query views for HTTP."),
      number("http.event_streams", BATON_FIELD(http_settings.event_streams), 1, 1'000'000, "Streams of server-sent events that may be open at once."),
      number("http.query_timeout_ms", BATON_FIELD(http_settings.query_timeout_ms), 1, kDayMs, "How long a query of a view may run."),

      text("views", BATON_FIELD(views), "paths with commas between them", is_list,
           "Files of views that are kept up to date while the server runs."),

      number("network.threads", BATON_FIELD(network_threads), 1, 256,
             "Threads that serve connections. A connection stays on one of them."),

      number("topics.default_partitions", BATON_FIELD(topics.default_partitions), 1, 10'000,
             "Partitions of a topic whose maker does not say (`num.partitions` in Kafka)."),
      choice("topics.auto_create", BATON_FIELD(topics.auto_create), {"false", "true"},
             "Makes a plain topic when a client that allows it asks for one that is not there (`auto.create.topics.enable`)."),
      number("topics.topics_max", BATON_FIELD(topics.topics_max), 1, 1'000'000, "How many topics there may be."),
      number("topics.partitions_max", BATON_FIELD(topics.partitions_max), 1, 1'000'000, "How many partitions all topics may have together."),
      time_or_for_ever("topics.retention_ms", BATON_FIELD(topics.retention_ms),
                       "`retention.ms` of a new plain topic whose maker does not say (`log.retention.ms`). -1: its records are kept for ever."),
      number("topics.retention_check_ms", BATON_FIELD(topics.retention_check_ms), 10, kDayMs,
             "How often segments are removed that `retention.ms` and `retention.bytes` of their topics let go."),

      choice("access.enabled", BATON_FIELD(access.enabled), {"false", "true"},
             "Nobody may do what no access control entry allows (`authorizer.class.name`); see docs/kafka.md."),
      choice("access.allow_without_acl", BATON_FIELD(access.allow_without_acl), {"false", "true"},
             "What no entry names is everybody's (`allow.everyone.if.no.acl.found`)."),
      text("access.super_users", BATON_FIELD(access.super_users), "principals with commas between them, each for any address or, with @ADDRESS, for one", is_principal_list,
           "Who may do everything (`super.users`): `User:ANONYMOUS@127.0.0.1` is whoever connects from this machine."),

      number("groups.initial_rebalance_delay_ms", BATON_FIELD(groups.initial_rebalance_delay_ms), 0, 300'000,
             "How long the first member of an empty group waits for others (`group.initial.rebalance.delay.ms`)."),
      number("groups.session_timeout_min_ms", BATON_FIELD(groups.session_timeout_min_ms), 1, kDayMs,
             "The shortest session timeout that a member may ask for (`group.min.session.timeout.ms`)."),
      number("groups.session_timeout_max_ms", BATON_FIELD(groups.session_timeout_max_ms), 1, kDayMs,
             "The longest one (`group.max.session.timeout.ms`)."),
      number("groups.offsets_retention_ms", BATON_FIELD(groups.offsets_retention_ms), 0, 36'500 * kDayMs,
             "How long the offsets of a group without members are kept (`offsets.retention.minutes`). 0: for ever."),
      number("groups.members_max", BATON_FIELD(groups.members_max), 1, 100'000, "Members of one group (`group.max.size`)."),

      bytes("limits.frame_bytes", BATON_FIELD(limits.frame_bytes), 1024, 1024 * kMiB,
            "The largest request. A larger one closes its connection."),
      bytes("limits.total_frame_bytes", BATON_FIELD(limits.total_frame_bytes), kMiB, 65536 * kMiB,
            "Bytes of all requests in flight, less those that wait for something to happen. When they are used up, connections are read on in turn as they become free; one that holds much and goes on slowly is closed then."),
      number("limits.requests", BATON_FIELD(limits.requests), 1, 10'000,
             "Requests in flight on one connection; further ones are not read."),
      bytes("limits.reply_bytes", BATON_FIELD(limits.reply_bytes), 1024, 4096 * kMiB,
            "Bytes of replies that a client has not taken. Beyond it, no further request of its connection is begun."),
      number("limits.connections", BATON_FIELD(limits.connections), 1, 1'000'000,
             "Connections in all. Less if the limit on open files is low."),
      number("limits.connections_per_address", BATON_FIELD(limits.connections_per_address), 1, 1'000'000,
             "Connections of one client address."),
      number("limits.connections_per_second", BATON_FIELD(limits.connections_per_second), 1, 1'000'000,
             "New connections a second; further ones wait."),
      number("limits.idle_ms", BATON_FIELD(limits.idle_ms), 10, kDayMs,
             "A connection on which nothing happens for so long is closed."),
      number("limits.handshake_ms", BATON_FIELD(limits.handshake_ms), 10, kDayMs,
             "A new connection must have sent a whole request by then."),
      number("limits.frame_ms", BATON_FIELD(limits.frame_ms), 10, kDayMs,
             "A request that has begun must be complete by then, or have come with 64 KiB a second."),
      number("limits.slow_reader_ms", BATON_FIELD(limits.slow_reader_ms), 10, kDayMs,
             "A client must have taken its replies by then, or take 64 KiB a second."),

      choice("log.level", BATON_FIELD(log_level), {"debug", "info", "warning", "error"},
             "What is logged on standard error: this and what is worse."),
      choice("log.format", BATON_FIELD(log_format), {"text", "json"}, "Lines for people, or one JSON object a line."),
  };
}

#undef BATON_FIELD

// Whether the two can be reached at one address.
bool overlap(const std::string& one, const std::string& other) {
  return one == other || reach_of(one) == Reach::any || reach_of(other) == Reach::any;
}

// "'kafka.port' (baton.yaml:3)"
std::string named(const EffectiveConfig& effective, const std::string& key) {
  const auto source = effective.sources.find(key);
  return "'" + key + "'" + (source == effective.sources.end() ? "" : " (" + source->second + ")");
}

// S2, and where clients are sent.
Status check_listener(const EffectiveConfig& effective, const std::string& name, const ListenAddress& listener) {
  const auto reach = reach_of(listener.address);
  if (!reach) return wrong(name + ".address", "an IP address", listener.address);
  if (reach != Reach::loopback && !effective.config.insecure) {
    return Error{Code::invalid_argument,
                 named(effective, name + ".address") + " is " + listener.address +
                     ", which can be reached from other machines, and there is neither authentication nor TLS: "
                     "listen on 127.0.0.1, or allow it with --insecure"};
  }
  if (reach == Reach::any && listener.advertised_host.empty())
    return Error{Code::invalid_argument, "'" + name + ".advertised.host' must be set when " + named(effective, name + ".address") +
                                             " is every interface: it is where clients are told to connect"};
  return {};
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    auto part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (part.starts_with(' ')) part.remove_prefix(1);
    while (part.ends_with(' ')) part.remove_suffix(1);
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

std::string ConfigKey::environment() const {
  std::string out = "BATON_";
  for (const char c : name) out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

Status check_config(const EffectiveConfig& effective) {
  const Config& config = effective.config;
  const auto name = [&](const char* key) { return named(effective, key); };
  if (config.limits.total_frame_bytes < config.limits.frame_bytes)
    return Error{Code::invalid_argument, name("limits.total_frame_bytes") + " must be at least " + name("limits.frame_bytes") +
                                             ": one request of that size could never be read"};
  if (config.groups.session_timeout_min_ms > config.groups.session_timeout_max_ms)
    return Error{Code::invalid_argument, name("groups.session_timeout_min_ms") + " must not be above " + name("groups.session_timeout_max_ms")};
  BATON_TRY(check_listener(effective, "kafka", config.kafka));
  BATON_TRY(check_listener(effective, "http", config.http));
  if (config.http.port != 0 && config.http.port == config.kafka.port && overlap(config.http.address, config.kafka.address))
    return Error{Code::invalid_argument, name("kafka.port") + " and " + name("http.port") + " are both " + std::to_string(config.http.port) +
                                             ": each listener needs a port of its own"};
  return {};
}

}  // namespace baton::server
