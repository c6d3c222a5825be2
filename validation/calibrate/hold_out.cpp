#include "validation/calibrate/hold_out.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "validation/calibrate/fit_search.h"

namespace moesim::validation {
namespace {

constexpr std::size_t kLeastInRegime = 40;
// A small task affords to hold out fewer groups at a time, as a new one would come: alone.
constexpr std::size_t kCheap = 3000;
constexpr int kMoreFolds = 12;

using Grouping = std::vector<std::string> Item::*;

std::set<std::string> groups_of(const Task& task, std::span<const std::size_t> items,
                                Grouping grouping) {
  std::set<std::string> groups;
  for (const std::size_t i : items) {
    const std::vector<std::string>& mine = task.items()[i].*grouping;
    groups.insert(mine.begin(), mine.end());
  }
  return groups;
}

hardware::Interval wider(const hardware::Interval& a, const hardware::Interval& b) {
  return {std::min(a.p05, b.p05), std::min(a.p10, b.p10), std::max(a.p90, b.p90),
          std::max(a.p95, b.p95)};
}

}  // namespace

std::vector<Fold> folds_of(const Task& task, std::span<const std::size_t> items, int folds) {
  if (folds > 1 && items.size() <= kCheap) folds = std::max(folds, kMoreFolds);
  std::vector<Fold> result;
  if (folds < 2) return result;
  Grouping grouping = &Item::groups;
  std::set<std::string> groups = groups_of(task, items, grouping);
  if (groups.size() < kManyGroups) {
    std::set<std::string> finer = groups_of(task, items, &Item::finer);
    if (finer.size() >= kLeastGroups) {
      groups = std::move(finer);
      grouping = &Item::finer;
    }
  }
  if (groups.size() < kLeastGroups) return result;
  std::map<std::string, int> turn;
  int next = 0;
  for (const std::string& g : groups) turn[g] = next++ % folds;
  for (int f = 0; f < folds; ++f) {
    Fold fold;
    for (const std::size_t i : items) {
      const std::vector<std::string>& mine = task.items()[i].*grouping;
      const bool held =
          std::ranges::any_of(mine, [&](const std::string& g) { return turn.at(g) == f; });
      (held ? fold.out : fold.in).push_back(i);
    }
    if (!fold.in.empty() && !fold.out.empty()) result.push_back(std::move(fold));
  }
  return result;
}

CountedFolds counted_folds(const Task& task, std::span<const std::size_t> items, bool alone) {
  CountedFolds counted;
  const std::vector<std::string_view> axes = task.counted_features();
  if (axes.empty()) return counted;
  counted.axis = axes.front();
  const std::vector<std::string_view> names = task.feature_names();
  const auto at = static_cast<std::size_t>(std::ranges::find(names, counted.axis) - names.begin());
  std::map<double, Fold> by_value;
  for (const std::size_t i : items) by_value[task.features(i)[at]].out.push_back(i);
  counted.values = by_value.size();
  for (auto& [value, fold] : by_value) {
    for (const std::size_t i : items)
      if (task.features(i)[at] != value) fold.in.push_back(i);
    if (alone || !fold.in.empty()) counted.folds.push_back(std::move(fold));
  }
  return counted;
}

bool has_few_sizes(const Task& task) {
  std::vector<std::size_t> items;
  for (std::size_t i = 0; i < task.items().size(); ++i)
    if (task.usable(i)) items.push_back(i);
  const std::size_t values = counted_folds(task, items, /*alone=*/false).values;
  return values > 0 && values < kLeastGroups;
}

double median_error(std::span<const HeldOut> held) {
  std::vector<double> errors;
  for (const HeldOut& h : held) errors.push_back(std::abs(h.ln_ratio));
  return quantile(std::move(errors), 0.5);
}

double mean_loss(std::span<const HeldOut> held) {
  double sum = 0;
  for (const HeldOut& h : held) sum += soft_loss(h.ln_ratio);
  return sum / static_cast<double>(held.size());
}

ErrorSummary summary_of(std::span<const HeldOut> held) {
  std::vector<Comparison> comparisons;
  for (const HeldOut& h : held)
    comparisons.push_back(
        {.measured = std::exp(h.ln_ratio), .predicted = 1, .low = 0, .high = 1e30});
  return summarise(comparisons);
}

hardware::Interval interval_of(const std::vector<double>& ln_ratios) {
  const double n = static_cast<double>(ln_ratios.size());
  const auto at = [&](double tail, bool high) {
    tail = std::max(0.0, tail - 0.5 / (n + 1));
    const double ln = quantile(ln_ratios, high ? 1 - tail : tail);
    return std::exp(high ? std::max(ln, 0.0) : std::min(ln, 0.0));
  };
  return {at(0.05, false), at(0.1, false), at(0.1, true), at(0.05, true)};
}

hardware::Interval both_sides(std::span<const HeldOut> held) {
  std::vector<double> ln_ratios;
  for (const HeldOut& h : held)
    ln_ratios.insert(ln_ratios.end(), {std::abs(h.ln_ratio), -std::abs(h.ln_ratio)});
  return interval_of(ln_ratios);
}

std::map<std::string, hardware::Interval> intervals_of(const Task& task,
                                                       std::span<const HeldOut> held) {
  std::map<std::string, std::vector<double>> by_regime;
  for (const HeldOut& h : held) {
    by_regime[""].push_back(h.ln_ratio);
    by_regime[std::string(task.regime(h.item))].push_back(h.ln_ratio);
  }
  std::map<std::string, hardware::Interval> intervals;
  for (auto& [regime, ratios] : by_regime)
    if (regime.empty() || ratios.size() >= kLeastInRegime) intervals[regime] = interval_of(ratios);
  return intervals;
}

void widen(std::map<std::string, hardware::Interval>& of,
           const std::map<std::string, hardware::Interval>& by) {
  for (const auto& [regime, interval] : by) {
    const auto [at, fresh] = of.try_emplace(regime, interval);
    if (!fresh) at->second = wider(at->second, interval);
  }
}

}  // namespace moesim::validation
