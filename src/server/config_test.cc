#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "os/env.h"
#include "os/sim_env.h"
#include "server/address.h"

namespace baton::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

struct Given {
  std::map<std::string, std::string> files, environment;
  std::vector<ConfigInputs::Flag> flags;
  std::optional<std::string> file;
  std::vector<std::string> environment_names = {};

  Result<EffectiveConfig> load() const {
    os::SimWorld world;
    os::SimEnv env(world);
    for (const auto& [name, text] : files) EXPECT_TRUE(os::replace_file(env.fs(), name, base::as_bytes(text)).ok());
    return load_config(env.fs(), {.file = file,
                                  .environment = [this](const std::string& name) -> std::optional<std::string> {
                                    const auto found = environment.find(name);
                                    if (found == environment.end()) return std::nullopt;
                                    return found->second;
                                  },
                                  .environment_names = environment_names,
                                  .flags = flags});
  }
  std::string error() const {
    const auto loaded = load();
    return loaded ? "no error" : loaded.error().detail;
  }
};

std::string error_of(const std::string& text) {
  EffectiveConfig config;
  const auto status = apply_config_text(config, text, "b.yaml");
  return status ? "no error" : status.error().detail;
}

TEST(Config, NothingIsNeeded) {
  const auto loaded = Given{}.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(loaded->config.kafka.address, "127.0.0.1");
  EXPECT_EQ(loaded->config.kafka.port, 9092);
  EXPECT_EQ(loaded->sources.at("kafka.port"), "default");
}

TEST(Config, TheCommandLineIsStrongerThanTheEnvironmentAndThatIsStrongerThanTheFile) {
  Given given{.files = {{"baton.yaml", "kafka:\n  port: 1\n  advertised: {host: h, port: 2}\nlog:\n  level: debug\n"}}};
  given.environment = {{"BATON_KAFKA_ADVERTISED_PORT", "3"}, {"BATON_LOG_LEVEL", "error"}};
  given.flags = {{"log.level", "info", "--set"}, {"log.level", "warning", "--log-level"}};
  const auto loaded = given.load();
  ASSERT_TRUE(loaded.ok()) << loaded.error().to_string();
  EXPECT_EQ(loaded->config.kafka.port, 1);
  EXPECT_EQ(loaded->config.kafka.advertised_host, "h");
  EXPECT_EQ(loaded->config.kafka.advertised_port, 3);
  EXPECT_EQ(loaded->config.log_level, LogLevel::warning);
  EXPECT_EQ(loaded->sources.at("kafka.port"), "baton.yaml:2");
  EXPECT_EQ(loaded->sources.at("kafka.advertised.port"), "BATON_KAFKA_ADVERTISED_PORT");
  EXPECT_EQ(loaded->sources.at("log.level"), "--log-level");
}

TEST(Config, AFileThatWasNamedMustBeThereAndAnotherOneIsNotRead) {
  Given given{
      .files = {{"baton.yaml", "kafka: {port: 1}"}, {"other.yaml", "kafka: {port: 2}"}, {"third.yaml", "kafka: {port: 3}"}}};
  given.environment = {{"BATON_CONFIG", "other.yaml"}};
  EXPECT_EQ(given.load()->config.kafka.port, 2);
  given.file = "third.yaml";
  EXPECT_EQ(given.load()->config.kafka.port, 3);
  given.file = "missing.yaml";
  EXPECT_EQ(given.load().error().code, Code::not_found);
}

TEST(Config, AnUnknownKeyIsRefusedWithItsPlaceAndTheNearestKnownOne) {
  EXPECT_EQ(error_of("data: x\nkafka:\n  adress: 127.0.0.1\n"),
            "b.yaml:3: unknown key 'kafka.adress': did you mean 'address'?");
  EXPECT_EQ(error_of("kafak: {}\n"), "b.yaml:1: unknown key 'kafak': did you mean 'kafka'?");
  EXPECT_EQ(error_of("kafka: {port: {x: 1}}\n"), "b.yaml:1: 'kafka.port' must be one value");
  EXPECT_THAT((Given{.flags = {{"kafka.prot", "1", "--set"}}}.error()),
              HasSubstr("--set: unknown key 'kafka.prot': did you mean 'kafka.port'?"));
}

TEST(Config, AValueOutOfItsRangeIsRefusedWithTheRange) {
  EXPECT_EQ(error_of("kafka:\n  port: 65536\n"), "b.yaml:2: 'kafka.port' must be 0 to 65535, not '65536'");
  EXPECT_EQ(error_of("kafka: {port: -1}"), "b.yaml:1: 'kafka.port' must be 0 to 65535, not '-1'");
  EXPECT_EQ(error_of("kafka: {port: ~}"), "b.yaml:1: 'kafka.port' must be one value");
  EXPECT_EQ(error_of("log: {level: loud}"), "b.yaml:1: 'log.level' must be debug or info or warning or error, not 'loud'");
  EXPECT_EQ(error_of("insecure: yes"), "b.yaml:1: 'insecure' must be false or true, not 'yes'");
  EXPECT_THAT((Given{.environment = {{"BATON_KAFKA_PORT", "kafka"}}}.error()),
              HasSubstr("BATON_KAFKA_PORT: 'kafka.port' must be"));
}

TEST(Config, WhatIsNoMapOfKeysIsRefusedWithItsPlace) {
  EXPECT_EQ(error_of("- data\n"), "b.yaml:1: the file must be a map of keys and values");
  EXPECT_EQ(error_of("kafka: 9092\n"), "b.yaml:1: 'kafka' must be a map of keys and values");
  EXPECT_EQ(error_of("data: a\ndata: b\n"), "b.yaml:2: the key 'data' is there twice");
  EXPECT_EQ(error_of("data: a\n---\ndata: b\n"), "b.yaml:3: a configuration file is one document");
  EXPECT_EQ(error_of("data: [\n"), "b.yaml:2: end of sequence flow not found");
  EXPECT_EQ(error_of("# nothing\n"), "no error");
  EXPECT_EQ(error_of("kafka:\n"), "no error");
}

// Neither what refers to itself nor what unfolds to a billion values is followed.
TEST(Config, AliasesLeadNoDeeperThanTheTable) {
  EXPECT_THAT(error_of("kafka: &k\n  advertised: *k\n"), HasSubstr("b.yaml:2: unknown key 'kafka.advertised.advertised'"));
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i)
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + ", *a" +
            std::to_string(i - 1) + "]\n";
  EXPECT_THAT(error_of(bomb), HasSubstr("b.yaml:1: unknown key 'a0'"));
  EXPECT_NE(error_of("data: " + std::string(100'000, '[')), "no error");
}

TEST(Config, SizesMayHaveUnits) {
  EffectiveConfig config;
  ASSERT_TRUE(apply_config_text(config, "limits: {frame_bytes: 16MiB, reply_bytes: 2048, total_frame_bytes: 1 GiB}", "f").ok());
  EXPECT_EQ(config.config.limits.frame_bytes, 16u << 20);
  EXPECT_EQ(config.config.limits.reply_bytes, 2048u);
  EXPECT_EQ(config.config.limits.total_frame_bytes, 1u << 30);
  EXPECT_EQ(error_of("limits: {frame_bytes: 16MB}"), "b.yaml:1: 'limits.frame_bytes' must be 1KiB to 1GiB, not '16MB': the units are KiB, MiB and GiB, or none for bytes");
  EXPECT_EQ(error_of("limits: {frame_bytes: 2 TiB}"), "b.yaml:1: 'limits.frame_bytes' must be 1KiB to 1GiB, not '2 TiB': the units are KiB, MiB and GiB, or none for bytes");
  EXPECT_EQ(error_of("limits: {frame_bytes: 1.5MiB}"), "b.yaml:1: 'limits.frame_bytes' must be 1KiB to 1GiB, not '1.5MiB'");
  EXPECT_THAT(error_of("shutdown_ms: 5s"), HasSubstr("not '5s': it is a number of milliseconds, without a unit"));
  EXPECT_THAT(error_of("kafka: {port: 5s}"), EndsWith("not '5s'"));
  EXPECT_EQ(error_of("limits: {frame_bytes: 18446744073709551615GiB}"),
            "b.yaml:1: 'limits.frame_bytes' must be 1KiB to 1GiB, not '18446744073709551615GiB'");
}

TEST(Config, WhatIsPrintedIsReadAgain) {
  Given given{.flags = {{"data", "/a b/it's", "--data"},
                        {"limits.frame_bytes", "3KiB", "--set"},
                        {"store.durability", "interval", "--set"}}};
  const auto loaded = given.load();
  ASSERT_TRUE(loaded.ok());
  const auto text = loaded->to_yaml();
  EXPECT_THAT(text, HasSubstr("# --data\n"));
  EffectiveConfig again;
  const auto status = apply_config_text(again, text, "printed");
  ASSERT_TRUE(status.ok()) << status.error().to_string() << text;
  for (const auto& key : config_keys()) EXPECT_EQ(key.get(again.config), key.get(loaded->config)) << key.name;
  EXPECT_EQ(again.config.data, "/a b/it's");
}

TEST(Config, EachDefaultIsAllowedAndEachEnvironmentVariableIsOnlyOneKeys) {
  std::vector<std::string> variables;
  Config config;
  for (const auto& key : config_keys()) {
    EXPECT_TRUE(key.set(config, key.get(Config())).ok()) << key.name;
    variables.push_back(key.environment());
  }
  std::ranges::sort(variables);
  EXPECT_EQ(std::ranges::adjacent_find(variables), variables.end());
  EXPECT_TRUE(std::ranges::binary_search(variables, "BATON_KAFKA_ADVERTISED_HOST"));
}

// S2
TEST(Config, AListenerThatOtherMachinesReachIsRefusedUnlessItIsAllowed) {
  for (const std::string address : {"0.0.0.0", "192.168.1.1", "::", "::ffff:0.0.0.0"}) {
    Given given{.flags = {{"kafka.address", address, "--set"}, {"kafka.advertised.host", "here", "--set"}}};
    EXPECT_THAT(given.error(), HasSubstr("neither authentication nor TLS")) << address;
    given.flags.push_back({"insecure", "true", "--insecure"});
    EXPECT_EQ(given.error(), "no error") << address;
  }
  for (const std::string address : {"127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"})
    EXPECT_EQ((Given{.flags = {{"kafka.address", address, "--set"}}}.error()), "no error") << address;
  EXPECT_THAT((Given{.flags = {{"kafka.address", "localhost", "--set"}}}.error()), HasSubstr("must be an IP address"));
}

TEST(Config, EveryInterfaceNeedsAnAddressToAdvertise) {
  Given given{.flags = {{"kafka.address", "0.0.0.0", "--set"}, {"insecure", "true", "--insecure"}}};
  EXPECT_THAT(given.error(), HasSubstr("'kafka.advertised.host' must be set"));
}

TEST(Config, ARequestMustFitIntoTheBudgetOfAll) {
  const Given ports{.files = {{"baton.yaml", "http:\n  port: 9000\n"}}, .flags = {{"kafka.port", "9000", "--kafka-port"}}};
  EXPECT_THAT(ports.error(), HasSubstr("'kafka.port' (--kafka-port) and 'http.port' (baton.yaml:2) are both 9000"));
  EXPECT_THAT((Given{.flags = {{"limits.total_frame_bytes", "1MiB", "--set"}}}.error()),
              HasSubstr("must be at least 'limits.frame_bytes' (default)"));
}

TEST(Config, AVariableThatIsMisspeltIsTold) {
  const Given given{.environment_names = {"BATON_KAFKA_PROT", "BATON_DATA", "BATON_HTTP_PORT", "BATON_PORT_9092_TCP_ADDR", "BATON_SERVICE_HOST", "HOME"}};
  const auto loaded = given.load();
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(loaded->warnings, testing::ElementsAre("the variable BATON_KAFKA_PROT has no effect: did you mean BATON_KAFKA_PORT?"));
}

TEST(Config, FurtherHostsAreNames) {
  EXPECT_EQ((Given{.flags = {{"http.hosts", "events.example, 10.0.0.7", "--set"}}}.error()), "no error");
  EXPECT_THAT((Given{.flags = {{"http.hosts", "https://events.example/", "--set"}}}.error()), HasSubstr("host names with commas"));
}

TEST(Config, ThePageSaysWhatTheTableSays) {
  const auto env = os::make_posix_env();
  const auto page = os::read_file(env->fs(), BATON_SOURCE_DIR "/docs/configuration.md", 1u << 20);
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(base::as_text(*page), configuration_page()) << "baton config --page > docs/configuration.md";
}

TEST(Address, AnIPv6AddressStandsInBrackets) {
  EXPECT_EQ(host_and_port("127.0.0.1", 1), "127.0.0.1:1");
  EXPECT_EQ(host_and_port("::1", 1), "[::1]:1");
}

}  // namespace
}  // namespace baton::server
