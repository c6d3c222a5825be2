#include "validation/calibrate/fit_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "sim/check.h"
#include "validation/calibrate/fit_search.h"
#include "validation/calibrate/hold_out.h"
#include "validation/calibrate/residual_fit.h"

namespace moesim::validation {
namespace {

using hardware::FittedModel;
using hardware::ResidualTable;

constexpr double kResidualScale = 0.06;          // ln: of the residual table's loss
constexpr double kOutlier = 0.6931471805599453;  // a factor of two
// With fewer held-out items than this the tails of an interval are a few of them: a prior's
// interval, from thousands, is no narrower.
constexpr std::size_t kFewHeldOut = 100;
// With fewer than this there are no tails: as far on either side, and wider as the
// fewer there are.
constexpr std::size_t kNoTails = 24;
constexpr double kMoreItems = 4;  // half-widths are (n + 4) / n times what was missed

// Items that may be fitted on.
std::vector<std::size_t> usable(const Task& task) {
  std::vector<std::size_t> items;
  for (std::size_t i = 0; i < task.items().size(); ++i)
    if (task.usable(i)) items.push_back(i);
  return items;
}

// What a fit may come to: a table of its own, or that of its prior, or none.
struct Candidate {
  std::vector<double> parameters;
  ResidualTable residual;
  std::vector<HeldOut> held;
  std::vector<HeldOut> unseen = {};  // of whole group sizes
};

class Fitter {
 public:
  Fitter(const Task& task, const FitOptions& options) : task_(task), options_(options) {
    const FittedModel* prior = options.prior;
    for (const ParameterInfo& info : task.parameters()) {
      const bool known = prior && prior->parameters.contains(std::string(info.name));
      from_.start.push_back(
          known ? std::clamp(prior->parameters.at(std::string(info.name)), info.least, info.most)
                : info.initial);
    }
    if (!prior) return;
    from_.prior = from_.start;
    if (prior->other_generation || !options.residual || !has_axes(prior->residual)) return;
    beside_ = prior->residual;
    for (std::size_t i = 0; i < task.items().size(); ++i)
      from_.beside.push_back(hardware::residual_at(beside_, task.features(i)));
  }

  // The prior as it is, the formula beside the prior's table (or none), and with a table of its
  // own.
  std::vector<Candidate> candidates(const std::vector<std::size_t>& items) const {
    std::vector<Candidate> all(3);
    if (options_.prior && !options_.prior->other_generation) all[0] = {from_.start, beside_, {}};
    all[1] = {searched(items, options_.evaluations), beside_, {}};
    for (double& p : all[1].parameters)  // as the file has it
      p = std::stod(fmt::format("{:.5g}", p));
    if (options_.residual) all[2] = {all[1].parameters, residual_of(items, all[1].parameters), {}};
    for (const Fold& fold : folds_of(task_, items, options_.folds))
      hold_out(fold, all, &Candidate::held);
    // A prior of the same architecture has seen sizes of its own: its interval speaks of others.
    if (options_.folds < 2 || (options_.prior && !options_.prior->other_generation)) return all;
    for (const Fold& fold : counted_folds(task_, items, options_.prior != nullptr).folds)
      hold_out(fold, all, &Candidate::unseen);
    return all;
  }

  FittedModel model_of(const std::vector<double>& parameters, const ResidualTable& residual) const {
    FittedModel model;
    model.kind = task_.kind();
    model.implementation = task_.implementation();
    model.variant = task_.variant();
    for (std::size_t i = 0; i < parameters.size(); ++i)
      model.parameters[std::string(task_.parameters()[i].name)] = parameters[i];
    model.residual = residual;
    return model;
  }

 private:
  bool has_axes(const ResidualTable& table) const {
    const std::vector<std::vector<double>> knots = task_.knots();
    if (table.values.empty() || table.axes.size() != knots.size()) return false;
    for (std::size_t i = 0; i < knots.size(); ++i)
      if (table.axes[i].second != knots[i]) return false;
    return true;
  }

  std::vector<double> searched(const std::vector<std::size_t>& items, int evaluations) const {
    return search(task_, items, from_,
                  {.points = options_.points,
                   .evaluations = evaluations,
                   .starts = options_.starts,
                   .step = options_.prior ? 0.1 : 0.3,
                   .prior_points = options_.prior_points});
  }

  ResidualTable residual_of(const std::vector<std::size_t>& items,
                            const std::vector<double>& parameters) const {
    ResidualTable axes;
    const std::vector<std::vector<double>> knots = task_.knots();
    const std::vector<std::string_view> names = task_.feature_names();
    for (std::size_t i = 0; i < knots.size(); ++i) axes.axes.emplace_back(names[i], knots[i]);
    std::vector<ResidualSample> samples;
    for (const std::size_t i : items) {
      const double us = task_.model_us(i, parameters);
      samples.push_back({task_.features(i), std::log(task_.items()[i].measured_us / us) -
                                                (from_.beside.empty() ? 0 : from_.beside[i])});
    }
    ResidualTable table =
        fit_residual(std::move(axes), samples, options_.residual_penalty, kResidualScale);
    for (std::size_t i = 0; i < table.values.size(); ++i) {
      if (!beside_.values.empty()) table.values[i] += beside_.values[i];
      table.values[i] = std::round(table.values[i] * 1000) / 1000;  // as the file has it
    }
    return table;
  }

  using Held = std::vector<HeldOut> Candidate::*;
  void hold_out(const Fold& fold, std::vector<Candidate>& all, Held into) const {
    // From the start, and not from the fit of all: a hold-out that has seen is none.
    const std::vector<double> p =
        fold.in.empty() ? from_.start : searched(fold.in, options_.evaluations / 2);
    if (!all[0].parameters.empty()) hold_out(fold, all[0].parameters, beside_, all[0].*into);
    hold_out(fold, p, beside_, all[1].*into);
    if (options_.residual) hold_out(fold, p, residual_of(fold.in, p), all[2].*into);
  }

  // As a step will ask it.
  void hold_out(const Fold& fold, const std::vector<double>& parameters,
                const ResidualTable& residual, std::vector<HeldOut>& into) const {
    const auto estimates = task_.estimates(model_of(parameters, residual), 0);
    for (const std::size_t i : fold.out)
      into.push_back({i, std::log(task_.items()[i].measured_us / estimates[i].us)});
  }

  const Task& task_;
  const FitOptions& options_;
  Search from_;
  ResidualTable beside_;  // of the prior
};

// The one that misses what was held out by least; where nothing was, the second: the formula.
Candidate& best_of(std::vector<Candidate>& candidates, bool prior) {
  if (candidates[1].held.empty()) return candidates[1];
  // Few points of a card say too little of a median.
  const auto miss = [&](const Candidate& c) {
    return prior ? mean_loss(c.held) : median_error(c.held);
  };
  Candidate* best = &candidates[1];
  for (Candidate* c : {&candidates[0], &candidates[2]})
    if (!c->held.empty() && miss(*c) < miss(*best)) best = c;
  return *best;
}

hardware::Interval without_tails(std::span<const HeldOut> held) {
  const double n = static_cast<double>(held.size()), wider = (n + kMoreItems) / n;
  std::vector<HeldOut> raised(held.begin(), held.end());
  for (HeldOut& h : raised) h.ln_ratio *= wider;
  return both_sides(raised);
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

// What the prior has seen the fit has, too: it stays near it.
void add_valid(const FittedModel& prior, FittedModel& model) {
  for (auto& [name, range] : model.valid) {
    const auto known = prior.valid.find(name);
    if (known == prior.valid.end()) continue;
    range.first = std::min(range.first, known->second.first);
    range.second = std::max(range.second, known->second.second);
  }
  for (auto& [name, values] : model.seen) {
    const auto known = prior.seen.find(name);
    if (known == prior.seen.end()) continue;
    std::set<double> both(values.begin(), values.end());
    both.insert(known->second.begin(), known->second.end());
    values = {both.begin(), both.end()};
  }
}

}  // namespace

FitResult fit_task(const Task& task, const FitOptions& options) {
  const std::vector<std::size_t> items = usable(task);
  SIM_CHECK(!items.empty(), "a fit has points");
  const Fitter fitter(task, options);
  std::vector<Candidate> candidates = fitter.candidates(items);
  Candidate& best = best_of(candidates, options.prior != nullptr);
  const std::vector<HeldOut>& held = best.held;

  FitResult result;
  FittedModel& model = result.model = fitter.model_of(best.parameters, best.residual);
  model.points = static_cast<std::int64_t>(items.size());
  const FittedModel* prior =
      options.prior && !options.prior->other_generation ? options.prior : nullptr;
  set_valid(task, items, model);
  if (prior) add_valid(*prior, model);
  if (!held.empty()) {
    model.interval = intervals_of(task, held);
    if (held.size() < kNoTails) model.interval[""] = without_tails(held);
    if (prior && held.size() < kFewHeldOut) widen(model.interval, prior->interval);
    result.hold_out = summary_of(held);
    model.median_error_percent = result.hold_out.median;
    model.p90_error_percent = result.hold_out.p90;
    model.bias_percent = result.hold_out.bias;
  }
  const std::string unseen =
      std::string(hardware::kUnseen) + counted_folds(task, items, /*alone=*/false).axis;
  if (!best.unseen.empty()) {
    model.interval[unseen] = both_sides(best.unseen);
    result.unseen = summary_of(best.unseen);
  } else if (prior && prior->interval.contains(unseen)) {
    model.interval[unseen] = prior->interval.at(unseen);
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
  // Too few groups hold nothing out: what the fit itself misses by, and as much wider as it is
  // beyond a fit's range; no narrower than the nearest fit's.
  if (held.empty()) {
    std::vector<double> ln_ratios;
    for (const Comparison& c : comparisons)
      ln_ratios.push_back(hardware::kDoubt.extrapolated * std::log(c.measured / c.predicted));
    model.interval[""] = interval_of(ln_ratios);
    if (options.nearest) widen(model.interval, options.nearest->interval);
  }
  std::ranges::stable_sort(result.outliers, std::greater<>{}, [](const Outlier& o) {
    return std::abs(std::log(o.measured_us / o.predicted_us));
  });
  return result;
}

}  // namespace moesim::validation
