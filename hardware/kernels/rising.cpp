#include "hardware/kernels/rising.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "sim/check.h"

namespace moesim::hardware {
namespace {

constexpr std::size_t kMostSizes = 3;

// Every value becomes the greatest (least) of itself and of those of no more (no less) work.
template <class Better>
void sweep(std::vector<double>& values, const std::vector<Ladder>& ladders, bool upwards,
           Better better) {
  std::size_t stride = values.size();
  for (const Ladder& ladder : ladders) {
    const std::size_t steps = ladder.size();
    stride /= steps;
    for (std::size_t n = 0; n < values.size(); ++n) {
      const std::size_t i = upwards ? n : values.size() - 1 - n;
      const std::size_t step = i / stride % steps;
      if (upwards ? step == 0 : step + 1 == steps) continue;
      values[i] = better(values[i], values[upwards ? i - stride : i + stride]);
    }
  }
}

}  // namespace

Ladder octaves(double most, double steps) {
  Ladder ladder;
  for (double octave = 1; octave < most; octave *= 2)
    for (double step = 0; step < steps; ++step) {
      const double size = octave * (1 + step / steps);
      if (size == std::floor(size)) ladder.push_back(size);
    }
  ladder.push_back(most);
  return ladder;
}

RisingTimes::RisingTimes(std::vector<Ladder> ladders, std::vector<double> times)
    : ladders_(std::move(ladders)) {
  std::size_t size = 1;
  for (const Ladder& ladder : ladders_) size *= ladder.size();
  SIM_CHECK(times.size() == size && ladders_.size() <= kMostSizes, "a time for each crossing");
  std::vector<double> slowest = times;
  sweep(slowest, ladders_, true, [](double a, double b) { return std::max(a, b); });
  sweep(times, ladders_, false, [](double a, double b) { return std::min(a, b); });
  for (std::size_t i = 0; i < size; ++i)
    if (slowest[i] != times[i]) times[i] = std::sqrt(slowest[i] * times[i]);
  times_ = std::move(times);
}

double RisingTimes::at(std::span<const double> sizes) const {
  const std::size_t dimensions = ladders_.size();
  std::array<std::size_t, kMostSizes> step{};
  std::array<double, kMostSizes> way{};
  for (std::size_t d = 0; d < dimensions; ++d) {
    const Ladder& ladder = ladders_[d];
    const auto above = std::upper_bound(ladder.begin(), ladder.end() - 1, sizes[d]);
    const std::size_t i = above == ladder.begin() ? 0 : std::size_t(above - ladder.begin()) - 1;
    step[d] = i;
    way[d] = i + 1 < ladder.size() ? (sizes[d] - ladder[i]) / (ladder[i + 1] - ladder[i]) : 0;
  }
  double sum = 0;
  for (std::size_t corner = 0; corner < (std::size_t{1} << dimensions); ++corner) {
    std::size_t index = 0;
    double weight = 1;
    for (std::size_t d = 0; d < dimensions; ++d) {
      const bool upper = (corner >> d & 1) != 0;
      weight *= upper ? way[d] : 1 - way[d];
      index = index * ladders_[d].size() + step[d] + (upper ? 1 : 0);
    }
    if (weight > 0) sum += weight * times_[index];
  }
  return sum;
}

}  // namespace moesim::hardware
