// Metrics in Prometheus' text format (version 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace baton::gateway {

// Durations, counted into fixed buckets. Any thread.
class Histogram {
 public:
  static constexpr std::array<double, 11> kBounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10};
  void add(std::int64_t ns);

 private:
  friend class MetricsText;
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

// Writes the text. A name's samples follow its begin().
class MetricsText {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;
  enum class Kind { counter, gauge, histogram };

  void begin(std::string_view name, Kind kind, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  void sample_of(double value, Labels labels = {});
  void samples(const Histogram& histogram, std::string_view label, std::string_view label_value);
  // begin() and one sample.
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    begin(name, Kind::counter, help);
    sample(value);
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value) {
    begin(name, Kind::gauge, help);
    sample(value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void line(std::string_view suffix, const std::string& value, Labels labels);
  std::string text_;
  std::string name_;
};

}  // namespace baton::gateway
