// The phases that a step's time is counted under; the report names them so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace moesim::workloads {

enum class Phase : std::uint32_t {
  Attention,     // norms, projections, the attention core, their cache
  Router,        // the router's GEMM and choice
  Dispatch,      // tokens to their experts
  Experts,       // the routed experts
  Combine,       // results back to the tokens' ranks
  SharedExpert,  // shared experts, and a dense branch beside the experts
  DenseMlp,      // feed-forward networks without experts
  Head,          // final norm and projection to the vocabulary
  Collectives,   // of tensor parallelism
  Pipeline,      // sends between stages
  Host,          // the engine: between steps, and where launches do not keep ahead of the GPU
  Other,         // embedding
};

inline constexpr std::array<std::string_view, 12> kPhaseNames{
    "attention", "router", "dispatch",    "experts",  "combine", "shared_expert",
    "dense_mlp", "head",   "collectives", "pipeline", "host",    "other"};

inline constexpr std::size_t kPhases = kPhaseNames.size();

constexpr std::uint32_t index_of(Phase phase) {
  return static_cast<std::uint32_t>(phase);
}
constexpr std::string_view name_of(Phase phase) {
  return kPhaseNames[index_of(phase)];
}

// What a step's time is counted under (sim::Label::phase): a phase of a layer of the model; of
// layer -1 what is of none, as sends between stages.
constexpr std::uint32_t place_of(std::int64_t layer, Phase phase) {
  if (phase == Phase::Pipeline) layer = -1;
  return static_cast<std::uint32_t>(layer + 1) * static_cast<std::uint32_t>(kPhases) +
         index_of(phase);
}
constexpr Phase phase_of(std::uint32_t place) {
  return static_cast<Phase>(place % kPhases);
}
constexpr std::int64_t layer_of(std::uint32_t place) {
  return static_cast<std::int64_t>(place / kPhases) - 1;
}

}  // namespace moesim::workloads
