#include "validation/serving/e2e_choices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

namespace moesim::validation {
namespace {

constexpr std::size_t kLeastLoads = 3;

struct LoadPoint {
  double tpot_ms = 0, rate = 0;
};

// On the line through two points in logarithms; nothing where time does not tell them apart.
std::optional<double> rate_at(double target_ms, const LoadPoint& a, const LoadPoint& b) {
  const double wide = std::log(b.tpot_ms / a.tpot_ms);
  if (wide <= 0) return {};
  return a.rate * std::exp(std::log(b.rate / a.rate) * std::log(target_ms / a.tpot_ms) / wide);
}

// Where the loads pass the target for the last time; the first of the two.
std::optional<std::size_t> passes(const std::vector<LoadPoint>& loads, double target_ms) {
  for (std::size_t i = loads.size() - 1; i > 0; --i)
    if (loads[i - 1].tpot_ms <= target_ms && loads[i].tpot_ms > target_ms) return i - 1;
  return {};
}

void add_capacities(const E2ePrediction& of, const std::vector<LoadPoint>& measured,
                    const std::vector<LoadPoint>& predicted, std::vector<E2eCapacity>& all) {
  for (const double target : kCapacityTargets) {
    const auto at = passes(measured, target);
    if (!at) continue;
    const auto found = rate_at(target, measured[*at], measured[*at + 1]);
    E2eCapacity capacity{.of = &of, .target_ms = target, .measured = found.value_or(0)};
    auto ours = passes(predicted, target);
    if (!ours) {
      capacity.beyond = true;
      ours = predicted.front().tpot_ms > target ? 0 : predicted.size() - 2;
    }
    const auto told = rate_at(target, predicted[*ours], predicted[*ours + 1]);
    if (!told) continue;  // neighbours as fast as each other: no line
    capacity.predicted = *told;
    all.push_back(capacity);
  }
}

}  // namespace

double rate_of(const E2eRow& row, double ttft_ms, double tpot_ms) {
  const auto tokens = static_cast<double>(row.osl);
  return static_cast<double>(row.concurrency) * tokens * 1000 / (ttft_ms + (tokens - 1) * tpot_ms) /
         static_cast<double>(row.gpus());
}

DeploymentsByLoad deployments_by_load(const std::vector<E2ePrediction>& predictions) {
  DeploymentsByLoad loads;
  for (const E2ePrediction& p : predictions) {
    const E2eRow& r = p.row;
    if (!p.failed.empty()) continue;
    loads[fmt::format("{} {} {} {} {}", r.model, r.system, r.isl, r.osl, r.concurrency)]
        .try_emplace(r.deployment(), &p);
  }
  return loads;
}

Questions questions_of(const std::vector<E2ePrediction>& predictions, ChosenBy by) {
  Questions questions;
  for (const auto& [load, deployments] : deployments_by_load(predictions)) {
    std::vector<MeasuredOption>& options = questions[load];
    for (const auto& [name, p] : deployments) {
      if (by == ChosenBy::UserSpeed)
        options.push_back({1 / p->row.tpot_ms, 1 / p->tpot_ms});
      else
        options.push_back({rate_of(p->row, p->row.ttft_ms, p->row.tpot_ms),
                           rate_of(p->row, p->ttft_ms, p->tpot_ms)});
    }
  }
  return questions;
}

std::vector<E2eCapacity> capacities_of(const std::vector<E2ePrediction>& predictions) {
  // By deployment and lengths, then by clients.
  std::map<std::string, std::map<std::int64_t, const E2ePrediction*>> deployments;
  for (const E2ePrediction& p : predictions) {
    const E2eRow& r = p.row;
    if (!p.failed.empty()) continue;
    deployments[fmt::format("{} {} {} {} {}", r.deployment(), r.model, r.system, r.isl, r.osl)]
        .try_emplace(r.concurrency, &p);
  }
  std::vector<E2eCapacity> all;
  for (const auto& [name, loads] : deployments) {
    if (loads.size() < kLeastLoads) continue;
    std::vector<LoadPoint> measured, predicted;
    for (const auto& [clients, p] : loads) {
      measured.push_back({p->row.tpot_ms, rate_of(p->row, p->row.ttft_ms, p->row.tpot_ms)});
      predicted.push_back({p->tpot_ms, rate_of(p->row, p->ttft_ms, p->tpot_ms)});
    }
    add_capacities(*loads.begin()->second, measured, predicted, all);
  }
  return all;
}

E2eError error_of(const std::vector<E2eCapacity>& capacities) {
  std::vector<double> errors;
  for (const E2eCapacity& c : capacities) errors.push_back(100 * (c.predicted / c.measured - 1));
  return error_over(errors);
}

}  // namespace moesim::validation
