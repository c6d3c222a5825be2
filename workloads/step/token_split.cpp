#include "workloads/step/token_split.h"

namespace moesim::workloads {

bool tokens_are_sharded(const Parallelism& p, ExpertsInTensorGroup experts) {
  if (experts == ExpertsInTensorGroup::Dispatched) return p.ep > 1 || p.etp != p.tp;
  // A tp rank's neighbours are those of its experts, in whatever order the rest is laid out.
  const bool together = p.dp * p.cp == 1 || p.ep == 1 || p.order == Parallelism{}.order;
  return p.ep * p.etp != p.tp || !together;
}

bool tokens_are_sharded(const Deployment& d) {
  return tokens_are_sharded(d.layout, experts_in_tensor_group(d.engine.composition));
}

std::vector<ExpertGroup> expert_groups(const RankLayout& layout,
                                       std::span<const std::int64_t> tokens,
                                       ExpertsInTensorGroup experts) {
  const Parallelism& p = layout.parallelism();
  const bool sharded = tokens_are_sharded(p, experts);
  const auto tokens_of = [&](Rank rank) {
    const DenseCoordinate& at = layout.dense(rank);
    const std::int64_t all = tokens[tokens.size() == 1 ? 0 : static_cast<std::size_t>(at.dp)];
    const std::int64_t mine = part_of(all, p.cp, at.cp);
    return static_cast<std::uint32_t>(sharded ? part_of(mine, p.tp, at.tp) : mine);
  };
  std::vector<ExpertGroup> groups;
  std::uint32_t first = 0;
  const auto add = [&](std::vector<Rank> ranks) {
    ExpertGroup group{.ranks = std::move(ranks), .begin = {0}, .first_token = first};
    group.replicated = !sharded && group.ranks.size() > 1;
    for (const Rank rank : group.ranks) {
      const bool counted = !group.replicated || rank == group.ranks.front();
      group.begin.push_back(group.begin.back() + (counted ? tokens_of(rank) : 0));
    }
    first += group.tokens();
    groups.push_back(std::move(group));
  };
  for (Rank rank = 0; rank < layout.ranks(); ++rank) {
    if (layout.dense(rank).pp != 0) continue;
    if (sharded) {
      if (layout.expert(rank).ep == 0) add(layout.ep_group(rank));
    } else if (layout.dense(rank).tp == 0) {
      add(layout.ep_group(rank));
    }
  }
  return groups;
}

}  // namespace moesim::workloads
