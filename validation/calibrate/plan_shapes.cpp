#include "validation/calibrate/plan_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <set>

#include "sim/error.h"

namespace moesim::validation {

ExpertShape expert_shape(const workloads::ModelSpec& model) {
  const workloads::MoeFfn* moe = model.largest_moe();
  if (moe == nullptr) throw sim::ConfigError(model.name + " has no mixture layer");
  return {model.name, static_cast<int>(model.hidden), static_cast<int>(moe->inter),
          static_cast<int>(moe->experts), static_cast<int>(moe->top_k)};
}

std::vector<WeightShape> weight_shapes(std::span<const ExpertShape> models,
                                       std::span<const int> tps) {
  std::vector<WeightShape> shapes;
  const auto add = [&](WeightShape shape) {
    const bool known = std::any_of(shapes.begin(), shapes.end(), [&](const WeightShape& s) {
      return s.n == shape.n && s.k == shape.k;
    });
    if (!known) shapes.push_back(std::move(shape));
  };
  for (const ExpertShape& m : models) {
    for (const int tp : tps) {
      if (m.inter % (8 * tp) != 0) continue;
      add({2 * m.inter / tp, m.hidden, fmt::format("{} tp{} gate_up", m.model, tp)});
      add({m.hidden, m.inter / tp, fmt::format("{} tp{} down", m.model, tp)});
    }
  }
  return shapes;
}

std::vector<int> expert_counts(std::span<const ExpertShape> models, std::span<const int> eps) {
  std::set<int> counts;
  for (const ExpertShape& m : models) {
    for (const int ep : eps) {
      if (m.experts % ep == 0) counts.insert(m.experts / ep);
    }
  }
  if (counts.empty()) throw sim::ConfigError("no --ep divides the experts of any of the models");
  return {counts.begin(), counts.end()};
}

double ratio(const WeightShape& a, const WeightShape& b) {
  const auto of = [](double x, double y) { return std::max(x / y, y / x); };
  return std::max(of(a.n, b.n), of(a.k, b.k));
}

double worst_ratio(std::span<const WeightShape> shapes, std::span<const WeightShape> chosen) {
  double worst = 1;
  for (const WeightShape& shape : shapes) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const WeightShape& c : chosen) nearest = std::min(nearest, ratio(shape, c));
    worst = std::max(worst, nearest);
  }
  return worst;
}

std::vector<WeightShape> cover(std::span<const WeightShape> candidates,
                               std::span<const WeightShape> shapes, double most) {
  std::vector<WeightShape> chosen;
  std::vector<double> nearest(candidates.size(), std::numeric_limits<double>::infinity());
  while (chosen.empty() || worst_ratio(shapes, chosen) > most) {
    if (chosen.size() == candidates.size()) {
      throw sim::ConfigError(fmt::format(
          "the shapes left to fit on lie up to a factor {:.3g} from those of the models, and {:g} "
          "is wanted: hold out another model, or allow more tp",
          worst_ratio(shapes, chosen), most));
    }
    // The first farthest; to begin with, the first of all.
    const auto next = std::max_element(nearest.begin(), nearest.end()) - nearest.begin();
    chosen.push_back(candidates[static_cast<std::size_t>(next)]);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      nearest[i] = std::min(nearest[i], ratio(candidates[i], chosen.back()));
    }
  }
  return chosen;
}

}  // namespace moesim::validation
