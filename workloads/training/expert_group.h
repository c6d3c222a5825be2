// The ranks of a stage that exchange anything within a layer, as a deployment of their own: what
// is played once for all of a job's replicas of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

// Ranks of the group: the least number that is whole over tp x cp and over etp x ep.
std::int64_t group_ranks(const Parallelism& layout);

// What stands against playing the first ranks of the first stage for all groups: an order of ranks
// in which they are not one group. Empty: nothing.
std::string group_problem(const Parallelism& layout);

// The deployment with the layout of one group, on the cluster's first ranks.
// REQUIRES: group_problem(deployment.layout).empty()
Deployment group_of(const Deployment& deployment);

}  // namespace moesim::workloads
