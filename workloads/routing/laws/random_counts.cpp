#include "workloads/routing/laws/random_counts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

// A binomial draw takes about as long as so many of an alias table.
constexpr std::size_t kTrialsOfADraw = 16;
constexpr std::size_t kManyOutcomes = 64;

// log(k!) less Stirling's formula for it: exact below 10, then its series.
double stirling_rest(double k) {
  static constexpr std::array<double, 10> kRest{
      0.0810614667953272,  0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
      0.0166446911898211,  0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
      0.00925546218271273, 0.00833056343336287};
  if (k <= 9) return kRest[static_cast<std::size_t>(k)];
  const double square = (k + 1) * (k + 1);
  return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

// p <= 1/2, few expected: runs of failures, each of a geometric length.
std::uint32_t by_inversion(std::uint32_t trials, double p, CounterStream& random) {
  const double scale = 1 / std::log1p(-p);
  double tried = 0;
  std::uint32_t successes = 0;
  while (true) {
    tried += std::floor(std::log(random.uniform()) * scale) + 1;
    if (tried > trials) return successes;
    ++successes;
  }
}

// log(k!) of the k that are usual.
const std::vector<double>& log_factorials() {
  static const std::vector<double> kLogs = [] {
    std::vector<double> logs(8193);
    long double sum = 0;
    for (std::size_t k = 1; k < logs.size(); ++k) {
      sum += std::log(static_cast<long double>(k));
      logs[k] = static_cast<double>(sum);
    }
    return logs;
  }();
  return kLogs;
}

// log of the probability of k of n over that of the likeliest.
double log_ratio(double k, double n, double p) {
  const double ratio = p / (1 - p), mode = std::floor((n + 1) * p);
  const std::vector<double>& logs = log_factorials();
  if (n < static_cast<double>(logs.size())) {
    const auto log_of = [&](double x) { return logs[static_cast<std::size_t>(x)]; };
    return log_of(mode) + log_of(n - mode) - log_of(k) - log_of(n - k) +
           (k - mode) * std::log(ratio);
  }
  return (mode + 0.5) * std::log((mode + 1) / (ratio * (n - mode + 1))) +
         (n + 1) * std::log((n - mode + 1) / (n - k + 1)) +
         (k + 0.5) * std::log(ratio * (n - k + 1) / (k + 1)) + stirling_rest(mode) +
         stirling_rest(n - mode) - stirling_rest(k) - stirling_rest(n - k);
}

// p <= 1/2, at least 10 expected.
std::uint32_t by_rejection(std::uint32_t trials, double p, CounterStream& random) {
  const double n = trials;
  const double deviation = std::sqrt(n * p * (1 - p));
  const double b = 1.15 + 2.53 * deviation;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double c = n * p + 0.5;
  while (true) {
    const double u = random.uniform() - 0.5, v = random.uniform();
    const double us = 0.5 - std::abs(u);
    const double at = (2 * a / us + b) * u + c;
    if (at < 0 || at >= n + 1) continue;
    const auto k = static_cast<std::uint32_t>(at);
    // Nearly always: the squeeze, v <= 0.92 - 4.2 / b.
    if (us >= 0.07 && v * b <= 0.92 * b - 4.2) return k;
    const double alpha = (2.83 + 5.1 / b) * deviation;
    if (std::log(v * alpha / (a / (us * us) + b)) <= log_ratio(k, n, p)) return k;
  }
}

}  // namespace

std::uint32_t binomial(std::uint32_t trials, double p, CounterStream& random) {
  if (trials == 0 || p <= 0) return 0;
  if (p >= 1) return trials;
  if (p > 0.5) return trials - binomial(trials, 1 - p, random);
  return trials * p < 10 ? by_inversion(trials, p, random) : by_rejection(trials, p, random);
}

Multinomial::Multinomial(std::span<const double> weights) : share_(weights.size()) {
  double sum = 0;
  for (std::size_t i = weights.size(); i-- > 0;) {
    sum += weights[i];
    share_[i] = sum > 0 ? std::min(1.0, weights[i] / sum) : 0;
  }
  SIM_CHECK(sum > 0, "something happens in each trial");
  if (outcomes() >= kManyOutcomes) make_cells(weights, sum);
}

void Multinomial::make_cells(std::span<const double> weights, double sum) {
  cells_.resize(outcomes());
  std::vector<double> part(outcomes());  // of a cell, whose mean is 1
  std::vector<std::uint32_t> small, large;
  for (std::uint32_t i = 0; i < outcomes(); ++i) {
    part[i] = weights[i] / sum * static_cast<double>(outcomes());
    (part[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t low = small.back(), high = large.back();
    small.pop_back();
    cells_[low] = {static_cast<std::uint32_t>(part[low] * 0x1p32), high};
    part[high] -= 1 - part[low];
    if (part[high] >= 1) continue;
    large.pop_back();
    small.push_back(high);
  }
  // What is left is 1 but for rounding.
  for (const auto* rest : {&small, &large})
    for (const std::uint32_t i : *rest) cells_[i] = {0xFFFF'FFFF, i};
}

void Multinomial::draw(std::uint32_t trials, CounterStream& random,
                       std::span<std::uint32_t> counts) const {
  std::ranges::fill(counts, 0);
  if (cells_.empty() || trials >= kTrialsOfADraw * outcomes()) {
    for (std::size_t i = 0; trials > 0; ++i) {
      counts[i] = i + 1 == outcomes() ? trials : binomial(trials, share_[i], random);
      trials -= counts[i];
    }
    return;
  }
  const auto one = [&](std::uint32_t bits) {
    const std::uint64_t at = std::uint64_t{bits} * outcomes();
    const auto i = static_cast<std::uint32_t>(at >> 32);
    ++counts[static_cast<std::uint32_t>(at) < cells_[i].below ? i : cells_[i].other];
  };
  for (; trials >= 2; trials -= 2) {
    const std::uint64_t bits = random.bits();
    one(static_cast<std::uint32_t>(bits));
    one(static_cast<std::uint32_t>(bits >> 32));
  }
  if (trials > 0) one(static_cast<std::uint32_t>(random.bits()));
}

}  // namespace moesim::workloads
