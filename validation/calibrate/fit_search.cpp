#include "validation/calibrate/fit_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "sim/random.h"
#include "validation/calibrate/nelder_mead.h"

namespace moesim::validation {
namespace {

constexpr double kLossScale = 0.04;   // ln: deviations beyond count in proportion
constexpr double kPriorWidth = 0.15;  // ln: how far a parameter may lie from its prior
constexpr std::size_t kFewPoints = 300;
constexpr int kMoreForFew = 4;
constexpr double kSame = 1e-9;        // of a time: rounding
constexpr double kStartSpread = 0.7;  // ln: of the starts, either way

// A fixed choice of at most `most` of the items, spread evenly over a shuffled order.
std::vector<std::size_t> thinned(std::span<const std::size_t> items, std::size_t most) {
  if (items.size() <= most) return {items.begin(), items.end()};
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (const std::size_t i : items) order.emplace_back(sim::mix(i), i);
  std::ranges::sort(order);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(order[i].second);
  std::ranges::sort(chosen);
  return chosen;
}

std::vector<double> clamped(const Task& task, std::span<const double> logs, double& outside) {
  std::vector<double> p(logs.size());
  outside = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const ParameterInfo& info = task.parameters()[i];
    const double low = std::log(info.least), high = std::log(info.most);
    const double x = std::clamp(logs[i], low, high);
    outside += (logs[i] - x) * (logs[i] - x);
    p[i] = std::clamp(std::exp(x), info.least, info.most);
  }
  return p;
}

// A search moves what costs nothing to move, to the end of its range: what an all-reduce takes in
// the switch, by rows of two GPUs, which never use it.
void keep_untold(const Task& task, std::span<const std::size_t> items,
                 std::span<const double> start, std::vector<double>& p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    std::vector<double> other = p;
    other[i] = std::clamp(start[i], task.parameters()[i].least, task.parameters()[i].most);
    if (other[i] == p[i]) continue;
    const bool untold = std::ranges::all_of(items, [&](std::size_t item) {
      const double us = task.model_us(item, p);
      return std::abs(task.model_us(item, other) - us) <= kSame * us;
    });
    if (untold) p = std::move(other);
  }
}

}  // namespace

double soft_loss(double deviation) {
  const double d = deviation / kLossScale;
  return (std::sqrt(1 + d * d) - 1) * kLossScale;
}

std::vector<double> search(const Task& task, std::span<const std::size_t> items, const Search& from,
                           const SearchOptions& options) {
  const std::vector<std::size_t> chosen = thinned(items, options.points);
  const Objective loss = [&](std::span<const double> logs) {
    double outside = 0;
    const std::vector<double> p = clamped(task, logs, outside);
    double sum = 0;
    for (const std::size_t i : chosen) {
      const double beside = from.beside.empty() ? 0 : from.beside[i];
      sum += soft_loss(std::log(task.model_us(i, p) / task.items()[i].measured_us) + beside);
    }
    if (!from.prior.empty()) {
      double away = 0;
      for (std::size_t i = 0; i < p.size(); ++i)
        away += std::pow(std::log(p[i] / from.prior[i]) / kPriorWidth, 2);
      sum += options.prior_points / static_cast<double>(p.size()) * away * kLossScale;
    }
    return sum / static_cast<double>(chosen.size()) + outside;
  };
  std::vector<double> logs;
  for (const double p : from.start) logs.push_back(std::log(p));
  // Several starts find the valley, the best of them goes on to its floor.
  // Where the loss is cheap, more of it.
  const int more = chosen.size() <= kFewPoints ? kMoreForFew : 1;
  const int starts = from.prior.empty() ? options.starts * more : 1;
  const int evaluations = options.evaluations * more * more;
  Minimum found{.x = logs, .value = 1e300, .evaluations = 0};
  sim::Random random(1, "fit starts");
  for (int i = 0; i < starts; ++i) {
    std::vector<double> at = logs;
    if (i > 0)
      for (double& x : at) x += kStartSpread * (2 * random.uniform() - 1);
    Minimum here = minimise(loss, std::move(at),
                            {.step = options.step,
                             .evaluations = evaluations / (2 * starts),
                             .tolerance = 1e-6,
                             .restarts = 1});
    if (here.value < found.value) found = std::move(here);
  }
  found = minimise(
      loss, found.x,
      {.step = options.step / 2, .evaluations = evaluations / 2, .tolerance = 1e-7, .restarts = 2});
  double outside = 0;
  std::vector<double> p = clamped(task, found.x, outside);
  keep_untold(task, items, from.start, p);
  return p;
}

}  // namespace moesim::validation
