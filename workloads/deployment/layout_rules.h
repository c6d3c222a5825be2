// `rules:` of an engine's file: the layouts that it can start, beside what no engine can
// (placement/model_layout.h).
//
//   rules:
//     ep: [1, "tp * dp"]          # one of these sizes
//     tp: "divides heads"         # a size that divides a number of the model's, or of the layout's
//     whole_blocks: [fp8_block]   # formats whose blocks a rank must hold whole; others are padded
//
// A size's rule is a product or quotient, from the left, of whole numbers and of tp, pp, dp, ep,
// etp, cp, heads, kv_heads, experts, layers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "workloads/deployment/engine.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/parallelism.h"

namespace moesim::workloads {

// What of a layout the engine cannot start, a sentence each, with what would do. A dp that leaves
// the experts within tp x cp stands for replicas of the engine beside each other: the rules are
// about one. REQUIRES: check_layout(layout) is empty
std::vector<std::string> rule_problems(const Engine& engine, const ModelSpec& model,
                                       const Parallelism& layout, const Formats& formats);

// The notes on blocks that are cut (cut_blocks) and that the engine does not refuse.
std::vector<std::string> block_notes(const Engine& engine, const ModelSpec& model,
                                     const Parallelism& layout, const Formats& formats);

}  // namespace moesim::workloads
