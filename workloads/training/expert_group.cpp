#include "workloads/training/expert_group.h"

#include <algorithm>
#include <numeric>

#include "sim/check.h"

namespace moesim::workloads {
namespace {

Parallelism layout_of_group(const Parallelism& layout) {
  Parallelism group = layout;
  group.pp = 1;
  group.dp = group_ranks(layout) / (layout.tp * layout.cp);
  return group;
}

}  // namespace

std::int64_t group_ranks(const Parallelism& layout) {
  return std::lcm(layout.tp * layout.cp, layout.etp * layout.ep);
}

std::string group_problem(const Parallelism& layout) {
  const RankLayout ranks(layout);
  const auto size = static_cast<Rank>(group_ranks(layout));
  const RankLayout group(layout_of_group(layout));
  for (Rank r = 0; r < size; ++r) {
    if (ranks.tp_group(r) == group.tp_group(r) && ranks.cp_group(r) == group.cp_group(r) &&
        ranks.ep_group(r) == group.ep_group(r) && ranks.etp_group(r) == group.etp_group(r))
      continue;
    return "training plays one expert group for all, which has to be a stage's first ranks: not so "
           "in the order " +
           layout.order + "; tp-cp-ep-dp-pp would do";
  }
  return {};
}

Deployment group_of(const Deployment& deployment) {
  SIM_CHECK(group_problem(deployment.layout).empty(), "an expert group whose ranks lie apart");
  Deployment group = deployment;
  group.layout = layout_of_group(deployment.layout);
  group.overlap = {};
  return group;
}

}  // namespace moesim::workloads
