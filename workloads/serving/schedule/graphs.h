// Batches are padded to the sizes that graphs were recorded for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workloads/serving/schedule/sequence.h"

namespace moesim::workloads::serving {

struct GraphRules {
  std::vector<std::int64_t> sizes = {};  // tokens, ascending; none: nothing is recorded
  bool pad = true;                       // a smaller batch goes up to the next size
  bool mixed = false;                    // batches with prompts have graphs, too
  bool alike = false;                    // ranks go up to the fullest one without a graph, too

  std::int64_t largest() const { return sizes.empty() ? 0 : sizes.back(); }  // tokens; 0: none
  // Sequences of a rank, of a token and so many drafted ones, that the largest has room for;
  // nothing where nothing is recorded.
  std::optional<std::int64_t> most_sequences(std::int64_t draft) const {
    if (sizes.empty()) return std::nullopt;
    return largest() / (1 + draft);
  }
};

// Ranks in lock step: with graphs all are padded to the fullest one's size, and one that has none
// makes all go without.
void pad_to_graphs(const GraphRules& rules, std::span<BatchPlan> ranks);

}  // namespace moesim::workloads::serving
