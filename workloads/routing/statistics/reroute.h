// A trace as it would have been under other routing rules; needs its gate scores.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "workloads/routing/statistics/analysis.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

struct RerouteRules {
  std::uint32_t top_k = 0;  // 0: as recorded
  std::uint32_t groups = 1, groups_per_token = 1;
  bool expert_choice = false;  // experts choose tokens, at most 2 x top_k each token
  double capacity_factor = 0;  // 0: nothing is dropped
  bool recorded_bias = true;   // starts from the file's bias, where it has one; else from 0
  float bias_rate = 0;         // above 0: the controller moves the bias after each batch
  std::uint32_t batch = 2048;  // tokens that capacity, experts' choice and bias look at
  std::uint32_t passes = 1;    // over the trace: the controller goes on
};

struct RerouteResult {
  std::uint64_t tokens = 0, selections = 0, dropped = 0;
  double same = 0;  // share of the recorded choices that are made again
  LoadTable loads;  // of the last pass
  // Mean over the layers of the busiest expert over the mean, by batch, over all passes.
  std::vector<double> max_over_mean;
};

// Writes the new trace (of the last pass) where `out` is not empty. Throws ConfigError where the
// rules do not fit the trace, InputError.
RerouteResult reroute(const RoutingTrace& trace, const RerouteRules& rules,
                      const std::filesystem::path& out);

}  // namespace moesim::workloads
