// What a routing trace holds: how even the loads are, who goes with whom, what changes over time,
// by domain and by request.
//
// The file is read once, a slab at a time; memory does not grow with it. Loads, repeat rates,
// domains and windows are of every token; pairs, links between layers, coverage of consecutive
// tokens and the test of significance are of a sample of whole slabs spread evenly over the file
// (`sampled_tokens` says how many). Definitions: README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

// Selections by layer and expert.
struct LoadTable {
  std::uint32_t layers = 0, experts = 0;
  std::vector<std::uint64_t> counts;  // [layers x experts]

  LoadTable() = default;
  LoadTable(std::uint32_t layer_count, std::uint32_t expert_count)
      : layers(layer_count),
        experts(expert_count),
        counts(std::size_t{layer_count} * expert_count) {}
  std::span<const std::uint64_t> layer(std::size_t index) const {
    return {counts.data() + index * experts, experts};
  }
  std::span<std::uint64_t> layer(std::size_t index) {
    return {counts.data() + index * experts, experts};
  }
  LoadTable& operator+=(const LoadTable& other);
};

// Mean of js_distance over the layers.
double mean_js_distance(const LoadTable& a, const LoadTable& b);
// Mean over the layers of the busiest expert over the mean (spread.h).
double mean_max_over_mean(const LoadTable& loads);

// Two experts that are chosen together.
struct ExpertPair {
  ExpertId a = 0, b = 0;
  std::uint64_t count = 0;  // tokens of the sample
  double lift = 0;          // over what the two loads alone would give
};

struct LayerAnalysis {
  std::int64_t layer_id = 0;  // in the model
  double max_over_mean = 0, normalised_entropy = 0, gini = 0;
  std::uint32_t dead_experts = 0, starved_experts = 0;
  // Not known from counts: share of a token's experts that the next one chose too; share of tokens
  // whose first choice the next one chose first too.
  std::optional<double> repeat_rate, repeat_first;
  double chance_rate = 0;         // repeat_rate of two random tokens: sum of shares^2 x top_k
  std::optional<double> link;     // how much the first choice tells of the next layer's, 0 … 1
  std::vector<ExpertPair> pairs;  // the most frequent
};

struct DomainAnalysis {
  std::string name;
  std::uint64_t tokens = 0;
  double max_over_mean = 0;  // mean over the layers
  LoadTable loads;
};

struct WindowAnalysis {
  std::uint64_t first = 0, tokens = 0;
  double max_over_mean = 0;
  double from_first = 0, from_previous = 0;  // mean_js_distance
  LoadTable loads;
};

// Distinct experts that a batch of tokens needs, mean over the layers.
struct CoveragePoint {
  std::uint32_t batch = 0;
  double random = 0;       // tokens drawn at random: sum of 1 - (1 - p)^batch
  double consecutive = 0;  // as recorded; 0 where the sample has no such batch
};

struct TraceAnalysis {
  TraceInfo info;
  std::uint64_t tokens = 0;   // count form: selections of the first layer / top_k
  std::uint64_t missing = 0;  // choices that were not recorded
  std::uint64_t sampled_tokens = 0;
  LoadTable loads;
  std::vector<LayerAnalysis> layers;
  // Means of the layers; of consecutive tokens nothing where there are none (counts).
  std::optional<double> repeat_rate, repeat_first, repeat_any;
  double chance_rate = 0;
  std::uint64_t repeat_pairs = 0;  // of consecutive tokens of a request
  std::vector<DomainAnalysis> domains;
  // Mean distance between two domains, the same with the requests' domains shuffled, and the share
  // of shuffles that came as far (so many of them that the least is 1 / (1 + shuffles)).
  double domain_distance = 0, shuffled_distance = 0, domain_p = 1;
  std::uint32_t shuffles = 0;
  // Chi-square of the requests' loads against the common one, over its degrees of freedom: 1 where
  // requests do not differ and tokens are independent.
  double request_dispersion = 0;
  std::vector<WindowAnalysis> windows;
  std::vector<CoveragePoint> coverage;
};

struct AnalysisOptions {
  std::uint32_t windows = 8;
  std::uint64_t sample_tokens = std::uint64_t{1} << 17;
  std::uint32_t shuffles = 99;
  std::uint32_t pairs = 5;  // kept of each layer
  std::uint64_t seed = 1;
};

// Throws InputError where the file turns out to be damaged.
TraceAnalysis analyse(const RoutingTrace& trace, const AnalysisOptions& options = {});

// Only the loads; `first`, `count` in tokens (count form: in steps).
LoadTable read_loads(const RoutingTrace& trace, std::uint64_t first, std::uint64_t count);

}  // namespace moesim::workloads
