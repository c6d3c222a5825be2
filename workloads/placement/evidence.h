// What a placement is made from: which experts were chosen, together with whom, and from where.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/routing/routing.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

struct PlacementEvidence {
  LoadTable loads;                   // selections of all tokens
  std::vector<LoadTable> from_node;  // [nodes]: of the tokens that start there
  // Co-activation, by layer: [experts x experts], symmetric, the diagonal 0. Empty unless wanted.
  std::vector<std::vector<std::uint32_t>> pairs;
};

struct EvidenceWanted {
  std::uint32_t first_step = 0;
  std::uint32_t steps = 1;
  bool pairs = false;
};

// A part of each step: the tokens of one group of ranks (its placement's).
struct TokenBlock {
  std::uint32_t first_token = 0;  // in the step
  TokenSources sources;
};

// Asks the source for every token of the blocks in each of the steps. The blocks' ranks are those
// of one placement: as many, on the same nodes. REQUIRES: at least one block
PlacementEvidence gather_evidence(RoutingSource& source, const std::vector<TokenBlock>& blocks,
                                  const EvidenceWanted& wanted);

}  // namespace moesim::workloads
