// Both twins of Env behind one fixture: what holds for the one must hold for the other.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "os/env.h"
#include "os/sim_env.h"

namespace baton::os {

class Twin {
 public:
  virtual ~Twin() = default;
  virtual Env& env() = 0;
  virtual std::string directory() = 0;  // empty at first
};

class PosixTwin final : public Twin {
 public:
  PosixTwin() : env_(make_posix_env()) {
    std::string pattern = testing::TempDir() + "baton-os-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~PosixTwin() override { (void)remove_tree(env_->fs(), directory_); }
  Env& env() override { return *env_; }
  std::string directory() override { return directory_; }

 private:
  std::unique_ptr<Env> env_;
  std::string directory_;
};

class SimTwin final : public Twin {
 public:
  SimTwin() : env_(world_) { (void)env_.fs().make_directory("/data"); }
  Env& env() override { return env_; }
  std::string directory() override { return "/data"; }

 private:
  SimWorld world_;
  SimEnv env_;
};

class OnBothTwins : public testing::TestWithParam<const char*> {
 protected:
  OnBothTwins() {
    if (std::string_view(GetParam()) == "posix") {
      twin_ = std::make_unique<PosixTwin>();
    } else {
      twin_ = std::make_unique<SimTwin>();
    }
  }
  Env& env() { return twin_->env(); }
  FileSystem& fs() { return env().fs(); }
  std::string path(std::string_view name) { return join(twin_->directory(), name); }
  std::unique_ptr<File> make(std::string_view name) {
    auto file = fs().open(path(name), {.write = true, .create = true});
    EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().to_string());
    return std::move(file).value();
  }
  static std::string text_of(const File& file) {
    base::Bytes content(file.size().value());
    const std::size_t got = file.read_at(0, content).value();
    return std::string(base::as_text(base::ByteView(content).first(got)));
  }

 private:
  std::unique_ptr<Twin> twin_;
};

#define BATON_ON_BOTH_TWINS(suite)                                              \
  INSTANTIATE_TEST_SUITE_P(Twins, suite, testing::Values("posix", "simulated"), \
                           [](const auto& info) { return std::string(info.param); })

}  // namespace baton::os
