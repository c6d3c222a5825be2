// What a dispatch or combine of DeepEP's normal kernels takes, notify and transmit, for balanced
// routing. A row goes once to each node that it is for, over RDMA, and from there once to each
// rank.
//
//   t    = startup + per_log2 x log2(nodes) + (near^p + sm^p + far^p)^(1/p)
//   near = tokens x ranks x 7/8 x row / (link x near_efficiency)
//   sm   = (tokens x ranks x 7/8 x row / per_sm + tokens x ranks x row_us) / sms
//   far  = tokens x remote nodes x row / (network x far_efficiency)
//   row  = hidden x 33/32 bytes (fp8 with a scale for 128) on the way out, hidden x 2 back
//
// Where the rows at hand are known (DeepEpShape::load) they are in the place of tokens x ranks.
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

struct DeepEpNormalParameters {
  double startup_us = 0, per_log2_nodes_us = 0;
  double near_efficiency = 1, far_efficiency = 1;
  double per_sm_bytes_us = 1e4;  // of one SM
  double row_us = 0;             // of one SM for a row and destination
  double overlap_power = 4;
};

struct DeepEpNormalModel {
  using Shape = DeepEpShape;
  using Parameters = DeepEpNormalParameters;
  static constexpr std::string_view kKind = "deepep_normal";
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
  // The same tables of H100 and H200 are apart by this (90th percentile): 2.9 and 5.2 %.
  static constexpr double kCarried = 0.03;
  static constexpr std::array<std::string_view, 1> kCounted{"nodes"};
  static constexpr std::array<std::string_view, 5> kFeatures{"tokens", "sms", "top_k", "hidden",
                                                             "nodes"};
  static std::array<double, 5> features(const DeepEpShape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const DeepEpShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
