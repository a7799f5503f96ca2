#include "gateway/metrics.h"

#include <fmt/format.h>

namespace baton::gateway {
namespace {

std::string_view kind_name(MetricsText::Kind kind) {
  switch (kind) {
    case MetricsText::Kind::counter: return "counter";
    case MetricsText::Kind::gauge: return "gauge";
    case MetricsText::Kind::histogram: return "histogram";
  }
  return "untyped";
}

void put_label_value(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\') out += "\\\\";
    else if (c == '"') out += "\\\"";
    else if (c == '\n') out += "\\n";
    else out += c;
  }
}

}  // namespace

void Histogram::add(std::int64_t ns) {
  const double seconds = static_cast<double>(ns) / 1e9;
  std::size_t i = 0;
  while (i < kBounds.size() && seconds > kBounds[i]) ++i;
  buckets_[i].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<std::uint64_t>(ns), std::memory_order_relaxed);
}

void MetricsText::begin(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, kind_name(kind));
}

void MetricsText::line(std::string_view suffix, const std::string& value, Labels labels) {
  text_ += name_;
  text_ += suffix;
  const char* before = "{";
  for (const auto& [label, label_value] : labels) {
    text_ += before;
    text_ += label;
    text_ += "=\"";
    put_label_value(text_, label_value);
    text_ += '"';
    before = ",";
  }
  if (labels.size() > 0) text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

void MetricsText::sample(std::uint64_t value, Labels labels) { line("", std::to_string(value), labels); }
void MetricsText::sample_of(double value, Labels labels) { line("", fmt::format("{}", value), labels); }

void MetricsText::samples(const Histogram& histogram, std::string_view label, std::string_view label_value) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i <= Histogram::kBounds.size(); ++i) {
    below += histogram.buckets_[i];
    const std::string bound = i < Histogram::kBounds.size() ? fmt::format("{}", Histogram::kBounds[i]) : "+Inf";
    line("_bucket", std::to_string(below), {{label, label_value}, {"le", bound}});
  }
  line("_sum", fmt::format("{}", static_cast<double>(histogram.sum_ns_) / 1e9), {{label, label_value}});
  line("_count", std::to_string(below), {{label, label_value}});
}

}  // namespace baton::gateway
