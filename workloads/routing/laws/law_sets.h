// The sets that a law's tokens choose (choice_sets.h).
#pragma once

#include <cstdint>
#include <optional>

#include "workloads/routing/laws/choice_sets.h"
#include "workloads/routing/laws/laws.h"

namespace moesim::workloads {

// Those of the tokens of LawSource(law), none of laws whose choice is no sampler's: of balanced
// ones, which are no chance, and of uniform ones without a limit on groups, which are all sets.
std::optional<ChoiceSets> law_sets(const LawSpec& law, std::uint32_t layer, std::uint32_t step);

// Names the random numbers of a layer in a step.
std::uint64_t law_key(const LawSpec& law, std::uint32_t step, std::uint32_t layer);

}  // namespace moesim::workloads
