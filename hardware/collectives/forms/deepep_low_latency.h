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
// A message is hidden x 33/32 + 16 bytes on the way out, hidden x 2 back. Where the messages at
// hand are known (DeepEpShape::load) they are in the place of tokens x top_k.
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/collectives/forms/deepep_shape.h"
#include "hardware/collectives/forms/parts.h"
#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

inline constexpr double kLowLatencyHeader = 16;  // bytes before each message on the way out

struct DeepEpLlParameters {
  double startup_us = 0, per_log2_nodes_us = 0, per_group_ns = 0;
  double near_efficiency = 1, far_efficiency = 1, message_ns = 0;
  double token_us = 0;
  double overlap_power = 2;
};

struct DeepEpLlModel {
  using Shape = DeepEpShape;
  using Parameters = DeepEpLlParameters;
  static constexpr std::string_view kKind = "deepep_ll";
  static constexpr std::array<std::string_view, 4> kVariants = kDeepEpVariants;
  static std::span<const ParameterField<Parameters>> fields();
  // Where a device has no fit, for a variant; and whose figures they are.
  static Parameters defaults(std::string_view variant);
  static constexpr std::string_view kDefaults = "DeepEP on Hopper, of aiconfigurator 095f58a5";
  static Parts parts(const DeepEpShape& shape, const Rates& rates, const Parameters& p);
  static double us(const DeepEpShape& shape, const Rates& rates, const Parameters& p) {
    return parts(shape, rates, p).us();
  }
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
