// What a dispatch or combine of DeepEP's low-latency kernels takes for balanced routing: a message
// for every row and destination, straight to its rank.
//
//   t    = startup + per_log2 x log2(nodes) + per_group x groups
//        + (near^p + far^p + sm^p)^(1/p)
//   near = tokens x top_k x 7 / (8 nodes) x message / (link x near_efficiency)
//   far  = messages x (message / (network x far_efficiency) + message_ns),
//          messages = tokens x top_k x (nodes - 1) / nodes
//   sm   = tokens x token_us / ceil(groups / 3): three groups share a multiprocessor
//
// A message is hidden x 33/32 + 16 bytes on the way out, hidden x 2 back.
#pragma once

#include "hardware/collectives/deepep_normal_cost.h"

namespace moesim::hardware {

struct DeepEpLlCostParameters {
  double startup_us, per_log2_nodes_us, per_group_ns;
  double near_efficiency, far_efficiency, message_ns;
  double token_us;
  double overlap_power;
};

struct DeepEpLlModel {
  using Shape = DeepEpShape;
  using Parameters = DeepEpLlCostParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const DeepEpShape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const DeepEpShape& shape, const Rates& rates);
  // The same tables of H100 and H200 are apart by this (90th percentile): 14 and 15 %.
  static constexpr double kCarried = 0.13;
  static constexpr std::array<std::string_view, 1> kCounted{"nodes"};
  static constexpr std::array<std::string_view, 5> kFeatures{"tokens", "groups", "top_k", "hidden",
                                                             "nodes"};
  static std::array<double, 5> features(const DeepEpShape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const DeepEpShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
