// What a step is made of: sums over all ranks, which must add up.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "workloads/step/phases.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

// What a mixture layer's experts were asked to do in one step.
struct LayerLoad {
  std::int64_t layer = 0;                    // of the model
  std::vector<std::uint64_t> expert_counts;  // selections of each expert
  std::vector<std::uint64_t> rank_rows;      // rows of each rank; etp ranks, who share rows, once
};

// Time of computations by what bounds them (Work::by_bound).
using BoundTimes = std::array<sim::Duration, 3>;
inline void add_times(BoundTimes& sum, const BoundTimes& more, std::int64_t times) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i] * times;
}

struct StepAccount {
  std::int64_t tokens = 0;                // that pass through the model, each counted once
  std::int64_t routed_tokens = 0;         // token visits to mixture layers
  std::int64_t selections = 0;            // routed_tokens x top_k
  std::int64_t missing = 0;               // of them: not in the trace
  std::int64_t rows = 0;                  // computed by experts; etp ranks share a row
  std::int64_t selections_away = 0;       // of the selections: those for an expert of another rank
  std::int64_t copies = 0;                // a token once for every rank that computes it
  std::int64_t copies_away = 0;           // of them: for another rank than the token's own
  std::array<Work, kPhases> work{};       // computations
  std::array<Work, kPhases> exchanged{};  // exchanges, each alone on an idle network, at each of
                                          // its ranks
  std::array<std::vector<sim::Bytes>, kPhases> payload{};  // of each exchange
  std::vector<LayerLoad> layers;
  std::vector<BoundTimes> bounds;  // of computations, of all ranks, by place_of()

  BoundTimes& bounds_of(std::uint32_t place) {
    if (bounds.size() <= place) bounds.resize(place + 1);
    return bounds[place];
  }
};

}  // namespace moesim::workloads
