// Which tokens of a step a rank holds: where they lie in the step's routing.
//
// A dp rank's tokens are shared out over its cp ranks (parts of the sequences) and, where each
// token is routed by one rank only, over its tp ranks (sequence parallelism). Micro-batches take
// the tokens in order. In the routing the tokens are numbered micro-batch by micro-batch, in each
// rank by rank in the order of the expert-parallel groups, so that a group's tokens lie together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/placement/dispatch.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// Part `index` of `count` things in `parts` nearly equal parts: the first ones are the larger.
constexpr std::int64_t part_of(std::int64_t count, std::int64_t parts, std::int64_t index) {
  return count / parts + (index < count % parts ? 1 : 0);
}

// The ranks of one stage that exchange tokens among themselves: an expert-parallel group, in the
// order of its placement.
struct ExpertGroup {
  std::vector<Rank> ranks;           // of stage 0; add the stage's first rank for others
  std::vector<std::uint32_t> begin;  // [ranks + 1]: tokens of each within the group
  std::uint32_t first_token = 0;     // of the group in the micro-batch's routing
  bool replicated = false;           // all its ranks hold all its tokens, counted as the first's
  std::uint32_t tokens() const { return begin.back(); }
};

// Whether each rank routes tokens of its own. Where not, the tp ranks all hold the same tokens:
// experts split by the same ranks as the dense part, etp = tp and ep = 1, or by
// expert parallelism in them, etp x ep = tp, in an engine that computes so (Replicated).
bool tokens_are_sharded(const Parallelism& parallelism,
                        ExpertsInTensorGroup experts = ExpertsInTensorGroup::Dispatched);
bool tokens_are_sharded(const Deployment& deployment);

// The groups of one micro-batch, in the order in which their tokens
// lie in the routing. Where tokens are not sharded: one group a dp and cp rank, of its first tp
// rank's ep group. `tokens`: of each dp rank, or one number that all of them have.
std::vector<ExpertGroup> expert_groups(
    const RankLayout& layout, std::span<const std::int64_t> tokens,
    ExpertsInTensorGroup experts = ExpertsInTensorGroup::Dispatched);

}  // namespace moesim::workloads
