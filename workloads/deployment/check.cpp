#include "workloads/deployment/check.h"

#include <fmt/format.h>

#include "workloads/placement/model_layout.h"

namespace moesim::workloads {
namespace {

// Whether every rank of a group has as many expert slots as the others.
void check_slots(const Deployment& d, std::vector<Problem>& problems) {
  if (!d.placement.file.empty()) return;
  const std::int64_t redundant = d.placement.redundant, ranks = d.layout.ep;
  for (const std::int64_t layer : d.model.moe_layers()) {
    const std::int64_t experts = d.model.moe(layer)->experts;
    if ((experts + redundant) % ranks == 0) continue;
    problems.push_back(
        {"placement",
         fmt::format("{} experts and {} redundant ones do not divide over ep = {} ranks; "
                     "placement.redundant: {} would do",
                     experts, redundant, ranks, (ranks - experts % ranks) % ranks)});
    return;
  }
}

}  // namespace

std::vector<Problem> check(const Deployment& d) {
  const Parallelism& p = d.layout;
  if (std::string wrong = check_layout(p); !wrong.empty()) {
    return {{"parallelism", std::move(wrong)}};  // the rest would not make sense
  }
  std::vector<Problem> problems;
  if (p.gpus() > d.cluster.ranks()) {
    problems.push_back({"cluster", fmt::format("the layout needs {} GPUs, the cluster has {}",
                                               p.gpus(), d.cluster.ranks())});
  }
  if (p.pp > d.model.layer_count()) {
    problems.push_back(
        {"parallelism", fmt::format("pp = {} stages for {} layers", p.pp, d.model.layer_count())});
  }
  for (std::string& problem : layout_problems(d.model, p)) {
    problems.push_back({"parallelism", std::move(problem)});
  }
  check_slots(d, problems);
  if (!d.model.is_moe() && p.ep > 1) {
    problems.push_back(
        {"parallelism", fmt::format("{} has no experts: leave out ep", d.model.name)});
  }
  return problems;
}

}  // namespace moesim::workloads
