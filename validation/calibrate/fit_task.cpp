#include "validation/calibrate/fit_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sim/check.h"
#include "sim/random.h"
#include "validation/calibrate/nelder_mead.h"
#include "validation/calibrate/residual_fit.h"

namespace moesim::validation {
namespace {

using hardware::FittedModel;
using hardware::ResidualTable;

constexpr double kLossScale = 0.04;              // ln: deviations beyond count in proportion
constexpr double kResidualScale = 0.06;          // the same, for the residual table
constexpr double kOutlier = 0.6931471805599453;  // a factor of two
constexpr double kPriorWidth = 0.15;             // ln: how far a parameter may lie from its prior
constexpr std::size_t kFewPoints = 300;
constexpr int kMoreForFew = 4;
constexpr double kStartSpread = 0.7;  // ln: of the starts, either way
constexpr std::size_t kLeastInRegime = 40;

// Items that may be fitted on.
std::vector<std::size_t> usable(const Task& task) {
  std::vector<std::size_t> items;
  for (std::size_t i = 0; i < task.items().size(); ++i)
    if (task.items()[i].measured_us > 0 && !task.items()[i].anomalous) items.push_back(i);
  return items;
}

// A fixed choice of at most `most` of the items, spread evenly over a shuffled order.
std::vector<std::size_t> thinned(const std::vector<std::size_t>& items, std::size_t most) {
  if (items.size() <= most) return items;
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (const std::size_t i : items) order.emplace_back(sim::mix(i), i);
  std::ranges::sort(order);
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < most; ++i) chosen.push_back(order[i].second);
  std::ranges::sort(chosen);
  return chosen;
}

struct Fit {
  std::vector<double> parameters;
  ResidualTable residual;
};

double soft(double deviation) {
  const double d = deviation / kLossScale;
  return (std::sqrt(1 + d * d) - 1) * kLossScale;
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

std::vector<double> search(const Task& task, const std::vector<std::size_t>& items,
                           const std::vector<double>& start, const FitOptions& options,
                           const std::vector<double>& prior, int evaluations, double step) {
  const std::vector<std::size_t> chosen = thinned(items, options.points);
  const Objective loss = [&](std::span<const double> logs) {
    double outside = 0;
    const std::vector<double> p = clamped(task, logs, outside);
    double sum = 0;
    for (const std::size_t i : chosen)
      sum += soft(std::log(task.model_us(i, p) / task.items()[i].measured_us));
    if (!prior.empty()) {
      double away = 0;
      for (std::size_t i = 0; i < p.size(); ++i)
        away += std::pow(std::log(p[i] / prior[i]) / kPriorWidth, 2);
      sum += options.prior_points / static_cast<double>(p.size()) * away * kLossScale;
    }
    return sum / static_cast<double>(chosen.size()) + outside;
  };
  std::vector<double> logs;
  for (const double p : start) logs.push_back(std::log(p));
  // Several starts find the valley, the best of them goes on to its floor.
  // Where the loss is cheap, more of it.
  const int more = chosen.size() <= kFewPoints ? kMoreForFew : 1;
  const int starts = prior.empty() ? options.starts * more : 1;
  evaluations *= more * more;
  Minimum found{.x = logs, .value = 1e300, .evaluations = 0};
  sim::Random random(1, "fit starts");
  for (int i = 0; i < starts; ++i) {
    std::vector<double> from = logs;
    if (i > 0)
      for (double& x : from) x += kStartSpread * (2 * random.uniform() - 1);
    Minimum here = minimise(loss, std::move(from),
                            {.step = step,
                             .evaluations = evaluations / (2 * starts),
                             .tolerance = 1e-6,
                             .restarts = 1});
    if (here.value < found.value) found = std::move(here);
  }
  found = minimise(
      loss, found.x,
      {.step = step / 2, .evaluations = evaluations / 2, .tolerance = 1e-7, .restarts = 2});
  double outside = 0;
  return clamped(task, found.x, outside);
}

ResidualTable residual_of(const Task& task, const std::vector<std::size_t>& items,
                          const std::vector<double>& parameters, double penalty) {
  ResidualTable axes;
  const std::vector<std::vector<double>> knots = task.knots();
  const std::vector<std::string_view> names = task.feature_names();
  for (std::size_t i = 0; i < knots.size(); ++i) axes.axes.emplace_back(names[i], knots[i]);
  std::vector<ResidualSample> samples;
  for (const std::size_t i : items)
    samples.push_back(
        {task.features(i), std::log(task.items()[i].measured_us / task.model_us(i, parameters))});
  ResidualTable table = fit_residual(std::move(axes), samples, penalty, kResidualScale);
  for (double& v : table.values) v = std::round(v * 1000) / 1000;  // as the file has it
  return table;
}

FittedModel model_of(const Task& task, const std::vector<double>& parameters,
                     const ResidualTable& residual) {
  FittedModel model;
  model.kind = task.kind();
  model.implementation = task.implementation();
  model.variant = task.variant();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    model.parameters[std::string(task.parameters()[i].name)] = parameters[i];
  model.residual = residual;
  return model;
}

// A small task affords to hold out fewer groups at a time, as a new one would come: alone.
int folds_for(std::size_t points, int folds) {
  constexpr std::size_t kCheap = 3000;
  constexpr int kMoreFolds = 12;
  return folds > 1 && points <= kCheap ? std::max(folds, kMoreFolds) : folds;
}

// The fold that each group is held out in: groups in ascending order take turns.
std::map<std::string, int> folds_of(const Task& task, const std::vector<std::size_t>& items,
                                    int folds) {
  std::set<std::string> groups;
  for (const std::size_t i : items)
    groups.insert(task.items()[i].groups.begin(), task.items()[i].groups.end());
  std::map<std::string, int> fold;
  int next = 0;
  for (const std::string& g : groups) fold[g] = next++ % folds;
  return fold;
}

struct HeldOut {
  std::size_t item;
  double formula, whole;  // ln(measured / predicted), without and with the residual table
};

std::vector<HeldOut> hold_out(const Task& task, const std::vector<std::size_t>& items,
                              const std::vector<double>& start, const FitOptions& options,
                              const std::vector<double>& prior) {
  std::vector<HeldOut> result;
  const int folds = folds_for(items.size(), options.folds);
  const std::map<std::string, int> fold = folds_of(task, items, folds);
  if (fold.size() < 2) return result;
  for (int f = 0; f < folds; ++f) {
    std::vector<std::size_t> in, out;
    for (const std::size_t i : items) {
      const auto& groups = task.items()[i].groups;
      const bool held =
          std::ranges::any_of(groups, [&](const std::string& g) { return fold.at(g) == f; });
      (held ? out : in).push_back(i);
    }
    if (in.empty() || out.empty()) continue;
    Fit fit;
    // From the start, and not from the fit of all: a hold-out that has seen is none.
    fit.parameters =
        search(task, in, start, options, prior, options.evaluations / 2, options.prior ? 0.1 : 0.3);
    if (options.residual)
      fit.residual = residual_of(task, in, fit.parameters, options.residual_penalty);
    // As a step will ask it.
    const auto formula = task.estimates(model_of(task, fit.parameters, {}), 0);
    const auto whole = task.estimates(model_of(task, fit.parameters, fit.residual), 0);
    for (const std::size_t i : out) {
      const double measured = task.items()[i].measured_us;
      result.push_back({i, std::log(measured / formula[i].us), std::log(measured / whole[i].us)});
    }
  }
  return result;
}

double median_error(const std::vector<HeldOut>& held, double HeldOut::*which) {
  std::vector<double> errors;
  for (const HeldOut& h : held) errors.push_back(std::abs(h.*which));
  return quantile(std::move(errors), 0.5);
}

// Finite-sample conformal quantiles on both sides: what covers 90 % of the points, and 80 %.
hardware::Interval interval_of(const std::vector<double>& ln_ratios) {
  const double n = static_cast<double>(ln_ratios.size());
  const auto at = [&](double tail, bool high) {
    tail = std::max(0.0, tail - 0.5 / (n + 1));
    const double ln = quantile(ln_ratios, high ? 1 - tail : tail);
    return std::exp(high ? std::max(ln, 0.0) : std::min(ln, 0.0));
  };
  return {at(0.05, false), at(0.1, false), at(0.1, true), at(0.05, true)};
}

void set_intervals(const Task& task, const std::vector<HeldOut>& held, double HeldOut::*which,
                   FittedModel& model) {
  std::map<std::string, std::vector<double>> by_regime;
  for (const HeldOut& h : held) {
    by_regime[""].push_back(h.*which);
    by_regime[std::string(task.regime(h.item))].push_back(h.*which);
  }
  for (auto& [regime, ratios] : by_regime)
    if (regime.empty() || ratios.size() >= kLeastInRegime)
      model.interval[regime] = interval_of(ratios);
}

ErrorSummary summary_of(const std::vector<HeldOut>& held, double HeldOut::*which) {
  std::vector<Comparison> comparisons;
  for (const HeldOut& h : held)
    comparisons.push_back({.measured = std::exp(h.*which), .predicted = 1, .low = 0, .high = 1e30});
  return summarise(comparisons);
}

void set_valid(const Task& task, const std::vector<std::size_t>& items, FittedModel& model) {
  const std::vector<std::string_view> names = task.axis_names();
  for (const std::size_t i : items) {
    const std::vector<double> f = task.axes(i);
    for (std::size_t d = 0; d < f.size(); ++d) {
      auto [at, fresh] = model.valid.try_emplace(std::string(names[d]), f[d], f[d]);
      at->second.first = std::min(at->second.first, f[d]);
      at->second.second = std::max(at->second.second, f[d]);
    }
  }
  for (const std::string_view counted : task.counted_features()) {
    const auto d = static_cast<std::size_t>(std::ranges::find(names, counted) - names.begin());
    std::set<double> values;
    for (const std::size_t i : items) values.insert(task.axes(i)[d]);
    model.seen[std::string(counted)] = {values.begin(), values.end()};
  }
}

}  // namespace

FitResult fit_task(const Task& task, const FitOptions& options) {
  const std::vector<std::size_t> items = usable(task);
  SIM_CHECK(!items.empty(), "a fit has points");
  std::vector<double> prior, start;
  for (const ParameterInfo& info : task.parameters()) {
    const auto known = options.prior ? options.prior->parameters.find(std::string(info.name))
                                     : std::map<std::string, double>::const_iterator{};
    const bool has = options.prior && known != options.prior->parameters.end();
    start.push_back(has ? std::clamp(known->second, info.least, info.most) : info.initial);
  }
  if (options.prior) prior = start;

  Fit all;
  all.parameters =
      search(task, items, start, options, prior, options.evaluations, options.prior ? 0.1 : 0.3);
  for (double& p : all.parameters)  // as the file has it
    p = std::stod(fmt::format("{:.5g}", p));
  if (options.residual)
    all.residual = residual_of(task, items, all.parameters, options.residual_penalty);

  FitResult result;
  const std::vector<HeldOut> held =
      options.folds > 1 ? hold_out(task, items, start, options, prior) : std::vector<HeldOut>{};
  const bool better = !held.empty() && options.residual && !all.residual.values.empty() &&
                      median_error(held, &HeldOut::whole) < median_error(held, &HeldOut::formula);
  if (!better) all.residual = {};
  double HeldOut::*which = better ? &HeldOut::whole : &HeldOut::formula;
  FittedModel& model = result.model = model_of(task, all.parameters, all.residual);
  model.points = static_cast<std::int64_t>(items.size());
  set_valid(task, items, model);
  if (!held.empty()) {
    set_intervals(task, held, which, model);
    result.hold_out = summary_of(held, which);
    model.median_error_percent = result.hold_out.median;
    model.p90_error_percent = result.hold_out.p90;
    model.bias_percent = result.hold_out.bias;
  }
  model.provenance = {.origin = hardware::Origin::Fitted, .source = options.source};

  std::vector<Comparison> comparisons;
  const auto estimates = task.estimates(model, 0);
  for (const std::size_t i : items) {
    const double measured = task.items()[i].measured_us, predicted = estimates[i].us;
    comparisons.push_back({.measured = measured, .predicted = predicted, .low = 0, .high = 1e30});
    if (std::abs(std::log(measured / predicted)) > kOutlier)
      result.outliers.push_back({i, measured, predicted});
  }
  result.in_sample = summarise(comparisons);
  // Points of one group alone hold nothing out: what the fit itself misses by, and as much wider as
  // it is beyond a fit's range.
  if (held.empty()) {
    std::vector<double> ln_ratios;
    for (const Comparison& c : comparisons)
      ln_ratios.push_back(hardware::kDoubt.extrapolated * std::log(c.measured / c.predicted));
    model.interval[""] = interval_of(ln_ratios);
  }
  std::ranges::stable_sort(result.outliers, std::greater<>{}, [](const Outlier& o) {
    return std::abs(std::log(o.measured_us / o.predicted_us));
  });
  return result;
}

}  // namespace moesim::validation
