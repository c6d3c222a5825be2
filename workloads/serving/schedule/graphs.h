// Batches are padded to the sizes that graphs were recorded for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/serving/schedule/sequence.h"

namespace moesim::workloads::serving {

struct GraphRules {
  std::vector<std::int64_t> sizes = {};  // tokens, ascending; none: nothing is recorded
  bool pad = true;                       // a smaller batch goes up to the next size
  bool mixed = false;                    // batches with prompts have graphs, too
  bool alike = false;                    // ranks go up to the fullest one without a graph, too
};

// Ranks in lock step: with graphs all are padded to the fullest one's size, and one that has none
// makes all go without.
void pad_to_graphs(const GraphRules& rules, std::span<BatchPlan> ranks);

}  // namespace moesim::workloads::serving
