#include "validation/serving/e2e_trust.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "validation/confidence.h"
#include "validation/serving/e2e_choices.h"

namespace moesim::validation {
namespace {

// What carries more has the shorter tokens: speeds, with the cost models' interval of their times.
EngineCapacity speed_of(const E2ePrediction& p) {
  const double speed = 1 / p.tpot_ms;
  return {.p10 = speed / p.models.decode_high,
          .p50 = speed,
          .p90 = speed / p.models.decode_low,
          .share = p.share};
}

}  // namespace

std::vector<Statement> statements_on_tpot(const std::vector<E2ePrediction>& predictions) {
  std::vector<Statement> statements;
  for (const E2ePrediction& p : predictions) {
    if (!p.failed.empty()) continue;
    const double deviation = deviation_of(speed_of(p), kServingStructure);
    for (const double x : kPartsOfPrediction)
      statements.push_back({normal_below(std::log(x) / deviation), p.row.tpot_ms <= x * p.tpot_ms});
  }
  return statements;
}

std::vector<Statement> statements_on_pairs(const std::vector<E2ePrediction>& predictions) {
  std::vector<Statement> statements;
  for (const auto& [load, deployments] : deployments_by_load(predictions)) {
    for (auto a = deployments.begin(); a != deployments.end(); ++a) {
      for (auto b = std::next(a); b != deployments.end(); ++b) {
        const E2ePrediction &one = *a->second, &other = *b->second;
        const bool first = one.tpot_ms <= other.tpot_ms;
        const E2ePrediction &fast = first ? one : other, &slow = first ? other : one;
        statements.push_back({probability_better(speed_of(fast), 1 / fast.tpot_ms, speed_of(slow),
                                                 1 / slow.tpot_ms, true, kServingStructure),
                              fast.row.tpot_ms < slow.row.tpot_ms});
      }
    }
  }
  return statements;
}

std::array<TrustBin, 5> bins_of(const std::vector<Statement>& statements) {
  std::array<TrustBin, 5> bins{};
  for (std::size_t i = 0; i < bins.size(); ++i) bins[i].from = static_cast<double>(i) / 5;
  for (const Statement& s : statements) {
    const auto i = std::min<std::size_t>(static_cast<std::size_t>(s.probability * 5), 4);
    ++bins[i].n;
    bins[i].said += s.probability;
    bins[i].held += s.holds ? 1 : 0;
  }
  for (TrustBin& bin : bins) {
    if (bin.n == 0) continue;
    bin.said /= static_cast<double>(bin.n);
    bin.held /= static_cast<double>(bin.n);
  }
  return bins;
}

double largest_gap(const std::array<TrustBin, 5>& bins) {
  double gap = 0;
  for (const TrustBin& bin : bins)
    if (bin.counts()) gap = std::max(gap, std::abs(bin.held - bin.said));
  return gap;
}

}  // namespace moesim::validation
