#include "workloads/deployment/check.h"

#include <fmt/format.h>

#include <optional>

#include "workloads/deployment/elastic.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/eplb.h"
#include "workloads/placement/model_layout.h"
#include "workloads/placement/rank_routing.h"

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

// Whether there are GPUs for the layout, and of those that are lost, why nothing goes on without
// them.
void check_gpus(const Deployment& d, std::vector<Problem>& problems) {
  if (d.layout.gpus() <= d.cluster.ranks()) return;
  std::string text = fmt::format("the layout needs {} GPUs, the cluster has {}", d.layout.gpus(),
                                 d.cluster.ranks());
  if (const std::size_t lost = lost_ranks(d).size(); lost > 0)
    text += fmt::format(" and {} of the layout's {} lost; {}", lost, lost == 1 ? "is" : "are",
                        elastic_problem(d, lost));
  problems.push_back({"cluster", std::move(text)});
}

// Whether what is to be survived can be, as far as it does not hang on where groups of ranks are.
void check_survive(const Deployment& d, std::vector<Problem>& problems) {
  if (d.placement.survive == Survive::None || !d.placement.lost.empty()) return;
  if (!d.placement.file.empty()) {
    problems.push_back({"placement", "survive: replicas are where the file has them"});
    return;
  }
  for (const std::int64_t layer : d.model.moe_layers()) {
    const SlotPlan plan{.experts = static_cast<std::uint32_t>(d.model.moe(layer)->experts),
                        .redundant = static_cast<std::uint32_t>(d.placement.redundant),
                        .ranks = static_cast<std::uint32_t>(d.layout.ep)};
    std::string wrong = survive_problem(
        {.plan = plan, .nodes = d.cluster.nodes > 1 ? 2u : 1u, .survive = d.placement.survive});
    if (wrong.empty()) continue;
    problems.push_back({"placement", std::move(wrong)});
    return;
  }
}

// Whether the ranks can have the loads that the routing says. Of a placement's file its loader
// says.
void check_rank_loads(const Deployment& d, std::vector<Problem>& problems) {
  const RankLoads& ranks = d.routing.ranks;
  const auto ep = static_cast<std::uint32_t>(d.layout.ep);
  if (!ranks.given() || !d.model.is_moe()) return;
  if (!ranks.loads.empty() && ranks.loads.size() != ep) {
    problems.push_back({"routing", fmt::format("rank_loads: has {} loads for ep = {} ranks",
                                               ranks.loads.size(), ep)});
    return;
  }
  if (ranks.max_over_mean > ep) {
    problems.push_back({"routing", fmt::format("max_over_mean: {} of {} ranks: one that has "
                                               "everything has {} times the mean",
                                               ranks.max_over_mean, ep, ep)});
    return;
  }
  if (!d.placement.file.empty()) return;
  if (needs_evidence(d.placement.experts) || d.placement.redundant > 0) {
    problems.push_back({"placement", std::string(kOneSlotAnExpert)});
    return;
  }
  const MoeFfn& moe = *d.model.moe(d.model.moe_layers().front());
  const SlotPlan plan{static_cast<std::uint32_t>(moe.experts), 0, ep};
  if (plan.experts % ep != 0) return;  // said already
  const ExpertPlacement placement = static_placement(d.placement.experts, plan);
  std::string wrong = rank_load_problem(ranks, placement.layer(0), moe, d.seed);
  if (!wrong.empty()) problems.push_back({"routing", std::move(wrong)});
}

}  // namespace

std::vector<Problem> check(const Deployment& d) {
  const Parallelism& p = d.layout;
  if (std::string wrong = check_layout(p); !wrong.empty()) {
    return {{"parallelism", std::move(wrong)}};  // the rest would not make sense
  }
  std::vector<Problem> problems;
  check_gpus(d, problems);
  if (p.pp > d.model.layer_count()) {
    problems.push_back(
        {"parallelism", fmt::format("pp = {} stages for {} layers", p.pp, d.model.layer_count())});
  }
  for (std::string& problem : layout_problems(d.model, p)) {
    problems.push_back({"parallelism", std::move(problem)});
  }
  // Of an engine that goes on without some the rules were kept when it started.
  if (d.placement.lost.empty()) {
    for (std::string& problem : rule_problems(d.engine, d.model, p, d.formats)) {
      problems.push_back({"parallelism", std::move(problem)});
    }
  }
  check_slots(d, problems);
  check_survive(d, problems);
  check_rank_loads(d, problems);
  if (!d.model.is_moe() && p.ep > 1) {
    problems.push_back(
        {"parallelism", fmt::format("{} has no experts: leave out ep", d.model.name)});
  }
  return problems;
}

}  // namespace moesim::workloads
