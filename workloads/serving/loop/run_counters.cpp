#include "workloads/serving/loop/run_counters.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace moesim::workloads::serving {
namespace {

constexpr unsigned kBits = 11;
constexpr std::uint64_t kSteps = std::uint64_t{1} << kBits;

std::size_t bin_of(std::uint64_t value) {
  if (value < kSteps) return value;
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
  return (std::size_t{shift + 1} << kBits) + ((value >> shift) - kSteps);
}

// The middle of a bin.
double value_of(std::size_t bin) {
  if (bin < kSteps) return static_cast<double>(bin);
  const std::size_t shift = (bin >> kBits) - 1;
  const double least =
      std::ldexp(static_cast<double>(kSteps + (bin & (kSteps - 1))), static_cast<int>(shift));
  return least + (std::ldexp(1.0, static_cast<int>(shift)) - 1) / 2;
}

}  // namespace

void DurationHistogram::add(sim::Duration duration, std::int64_t times) {
  const auto value = static_cast<std::uint64_t>(duration.count());
  const std::size_t bin = bin_of(value);
  if (bin >= counts_.size()) counts_.resize(bin + 1);
  counts_[bin] += times;
  count_ += times;
  sum_ += Wide{value} * static_cast<std::uint64_t>(times);
  squares_ += Wide{value / 1000} * (value / 1000) * static_cast<std::uint64_t>(times);
}

double DurationHistogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

double DurationHistogram::deviation() const {
  if (count_ == 0) return 0;
  const double mean_ns = mean() / 1000;
  const double square = static_cast<double>(squares_) / static_cast<double>(count_);
  return std::sqrt(std::max(0.0, square - mean_ns * mean_ns)) * 1000;
}

double DurationHistogram::quantile(double q) const {
  // Between the two order statistics around (n - 1) q.
  const double place = static_cast<double>(count_ - 1) * q;
  const auto low = static_cast<std::int64_t>(place);
  std::int64_t before = 0;
  double first = -1;
  for (std::size_t bin = 0; bin < counts_.size(); ++bin) {
    before += counts_[bin];
    if (first < 0 && before > low) first = value_of(bin);
    if (before > std::min(low + 1, count_ - 1)) {
      return first + (value_of(bin) - first) * (place - static_cast<double>(low));
    }
  }
  return first;
}

}  // namespace moesim::workloads::serving
