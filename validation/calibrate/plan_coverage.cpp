#include "validation/calibrate/plan_coverage.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

namespace moesim::validation {
namespace {

constexpr int kMostRows = 4096;  // that an expert is asked for

double worst_of(const std::vector<int>& wanted, const std::set<double>& levels) {
  double worst = 1;
  for (const double x : wanted) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const double level : levels) nearest = std::min(nearest, std::max(x / level, level / x));
    worst = std::max(worst, nearest);
  }
  return worst;
}

std::vector<int> one_to(int last) {
  std::vector<int> all(static_cast<std::size_t>(last));
  std::iota(all.begin(), all.end(), 1);
  return all;
}

}  // namespace

double Coverage::worst() const {
  return std::max({shapes, rows, active, experts});
}

Coverage coverage(const cuda::Plan& plan, const PlanOptions& options) {
  std::vector<WeightShape> fitted;
  std::set<double> rows, active, experts;
  for (const cuda::PlanPoint& p : plan.points) {
    if (p.role != "fit" || (p.op != "gemm" && p.op != "grouped_gemm")) continue;
    fitted.push_back({p.n, p.k, ""});
    rows.insert(static_cast<double>(p.rows()) / std::max(1, p.active()));
    active.insert(p.active());
    experts.insert(p.experts);
  }
  const std::vector<int> counts = expert_counts(options.models, options.eps);
  Coverage c;
  c.shapes = worst_ratio(weight_shapes(options.models, options.tps), fitted);
  c.rows = worst_of(one_to(kMostRows), rows);
  c.active = worst_of(one_to(counts.back()), active);
  c.experts = worst_of(counts, experts);
  return c;
}

}  // namespace moesim::validation
