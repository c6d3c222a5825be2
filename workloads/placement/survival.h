// What a placement does not lose with a GPU or a node, and what is left of one that lost some.
//
// A rank is a place in the expert-parallel group, as in experts.h. What is asked is whether each
// expert of each layer still has a slot: then its other replicas take the rows.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "workloads/placement/experts.h"

namespace moesim::workloads {

// Whose loss a placement is made to survive (eplb.h).
enum class Survive { None, Gpu, Node };
inline constexpr std::array<std::string_view, 3> kSurviveNames{"none", "gpu", "node"};

struct Survival {
  bool any_gpu = true;   // whichever rank is lost, all experts are held
  bool any_node = true;  // whichever node is lost
  // Of all ranks, and of all pairs of them, the part whose loss leaves every expert.
  double one_gpu = 1, two_gpus = 1;
};

// `node`: of each rank; empty: all on one. REQUIRES: as many as the placement's ranks, or none
Survival survival_of(const ExpertPlacement& placement, std::span<const std::uint16_t> node);
// What both survive. Of parts the lesser, though both may fall together.
Survival both(const Survival& a, const Survival& b);

// The slots of the ranks that are left, which close up. Throws InfeasibleError where an expert has
// no slot: "mixture layer 3: with rank 5 of the experts' ranks expert 17 is lost: …".
// REQUIRES: `lost` ascends, below the placement's ranks, and not all of them
ExpertPlacement without_ranks(const ExpertPlacement& placement,
                              std::span<const std::uint32_t> lost);

}  // namespace moesim::workloads
