#include "workloads/report/loads.h"

#include <algorithm>

#include "workloads/routing/statistics/spread.h"

namespace moesim::workloads {
namespace {

std::int64_t place_of_most(const std::vector<std::uint64_t>& counts) {
  return std::ranges::max_element(counts) - counts.begin();
}

// Where the ranks of a step wait for each other it is for the most loaded: its load counts in
// every step and layer, not that of the sum over the steps.
double mean_of(const std::vector<LayerReport>& layers, double LayerReport::*value) {
  double sum = 0;
  for (const LayerReport& layer : layers) sum += layer.*value;
  return layers.empty() ? 1 : sum / static_cast<double>(layers.size());
}

}  // namespace

void write_loads(const std::vector<LayerLoad>& loads, Report& report) {
  report.layers.clear();
  double entropy = 0, peak = 0;
  for (const LayerLoad& layer : loads) {
    const Spread experts = spread_of(layer.expert_counts);
    report.layers.push_back({.layer = layer.layer,
                             .experts = {.max_over_mean = experts.max_over_mean,
                                         .normalised_entropy = experts.normalised_entropy,
                                         .dead_experts = experts.zeros},
                             .rank_max_over_mean = spread_of(layer.rank_rows).max_over_mean,
                             .busiest_expert = place_of_most(layer.expert_counts),
                             .busiest_rank = place_of_most(layer.rank_rows),
                             .expert_counts = layer.expert_counts});
    peak += experts.max_over_mean;
    entropy += experts.normalised_entropy;
    report.expert_load.dead_experts += experts.zeros;
  }
  report.rank_max_over_mean = mean_of(report.layers, &LayerReport::rank_max_over_mean);
  if (loads.empty()) return;
  report.expert_load.max_over_mean = peak / static_cast<double>(loads.size());
  report.expert_load.normalised_entropy = entropy / static_cast<double>(loads.size());
}

}  // namespace moesim::workloads
