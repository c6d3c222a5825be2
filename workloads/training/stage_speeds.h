// How fast the ranks of the expert group that is played compute, where GPUs of the cluster are slow
// (cluster.faults): each as the slowest GPU at its place in all groups of the stage. Replicas meet
// at the gradients, so that a step is as long as with the slowest of them; where the slow GPUs are
// of several replicas it is at most too long.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// [stage][rank of the group]. Both copies of a stage count where a pipeline goes both ways.
std::vector<std::vector<double>> stage_speeds(const Deployment& deployment,
                                              const TrainingQuestion& question);

// Of the slowest GPU of a pipeline rank.
double slowest_of(const Deployment& deployment, std::int64_t pipeline_rank);

}  // namespace moesim::workloads
