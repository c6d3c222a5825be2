// An engine that goes on without GPUs that are lost (elastic expert parallelism): dp and ep shrink
// by the ranks that are gone, and the replicas of their experts take the rows.
//
// Placements are made for all ranks, before the loss; the slots of those that are gone are dropped
// (survival.h). What was in flight on them is computed anew: that is over when a step is played.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

// Why such a deployment cannot go on without that many of its ranks, with what would do; empty: it
// can, as far as its experts' replicas are where they are needed.
std::string elastic_problem(const Deployment& d, std::size_t lost);

// The deployment without those ranks of its expert-parallel group, which ascend.
// REQUIRES: elastic_problem is empty
Deployment without_gpus(Deployment d, const std::vector<std::uint32_t>& lost);

// The ranks of the layout that faults took from the cluster, where fewer GPUs are left than the
// layout has.
std::vector<std::uint32_t> lost_ranks(const Deployment& d);

}  // namespace moesim::workloads
