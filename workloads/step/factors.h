// Whose errors a step's time rests on: the cost models, by the factors of a study. What one model
// gets wrong it gets wrong in every layer, so a step is 1 % longer for each 1 % of a factor times
// that factor's share of the path that the step waited for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sim/units.h"
#include "workloads/step/phases.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

struct PlayedStep;

enum class Factor : std::uint8_t {
  Gemm,         // projections, router, shared experts, dense layers, head, and kernels between them
  Experts,      // the routed experts
  Attention,    // attention cores
  AllToAll,     // dispatch and combine
  Collectives,  // of tensor, context and pipeline parallelism
  Host,         // the engine
};
inline constexpr std::array<std::string_view, 6> kFactorNames{
    "gemm", "experts", "attention", "all_to_all", "collectives", "host"};
inline constexpr std::size_t kFactors = kFactorNames.size();

// Of attention its projections, which are most of it and priced as other products are; its cores
// are Attention's.
Factor factor_of(Phase phase);

using FactorTimes = std::array<sim::Duration, kFactors>;
using PhaseTimes = std::array<sim::Duration, kPhases>;

constexpr sim::Duration& of(FactorTimes& times, Factor factor) {
  return times[static_cast<std::size_t>(factor)];
}

// The phases of what the step waited for: back from the operation that ended last to what it waited
// for longest, and so on to the step's start. An exchange counts from when the last of those that
// a rank exchanges bytes with has arrived; before that it is what kept that one. Among equals the
// computation before the exchange before the delay, the lower rank first. Sums to the step's time.
PhaseTimes path_of(const PlayedStep& step);

// Phases as factors. Time of attention divides as its kernels' does in the account, over all ranks
// and layers. Sums to what the phases sum to.
FactorTimes factors_of(const PhaseTimes& path, const StepAccount& account);

// Of that work, the time of attention cores.
sim::Duration time_of_cores(const Work& work);

}  // namespace moesim::workloads
