// A plan's question of training:
//
//   training: {sequence: 4096, global_batch: 1024, tokens: 14.8e12, sharding: optimizer, …,
//              run: {checkpoint: {every: optimal, blocks: 30 s}, failures: {gpu_mtbf: 50700 h, …}}}
//   targets: {days: 60, confidence: 0.8}
//   space: {…, micro_batch: [1, 2, 4], recompute: [none, selective, full],
//           schedule: [1f1b, interleaved, zb_h1, zb_v, dualpipe, dualpipe_v],
//           virtual_stages: [2, 4]}
//
// Failures that the run does not tell are those of the plan's `reliability`, a checkpoint that it
// does not tell stops the job for 30 s, as often as is best: the scenario that is emitted says
// both.
#pragma once

#include "tools/study/plan/plan_spec.h"

namespace moesim::tools {

// `training` and `targets` of a plan's root. Notes mistakes in the document.
// REQUIRES: what the plan says of reliability is read
void read_training_goal(const sim::io::YamlNode& root, PlanSpec& spec);

inline constexpr std::array<std::string_view, 4> kTrainingSpaceKeys{"micro_batch", "recompute",
                                                                    "schedule", "virtual_stages"};
void read_training_space(const sim::io::YamlNode& space, TrainingSpace& training);

}  // namespace moesim::tools
