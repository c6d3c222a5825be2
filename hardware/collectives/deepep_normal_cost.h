// What a dispatch or combine of DeepEP's normal kernels takes, notify and transmit, for balanced
// routing. A row goes once to each node that it is for, over RDMA, and from there once to each
// rank.
//
//   t    = startup + per_log2 x log2(nodes) + (near^p + sm^p + far^p)^(1/p)
//   near = tokens x ranks x 7/8 x row / (link x near_efficiency)
//   sm   = (tokens x ranks x 7/8 x row / per_sm + tokens x ranks x row_us) / sms
//   far  = tokens x remote nodes x row / (network x far_efficiency)
//   row  = hidden x 33/32 bytes (fp8 with a scale for 128) on the way out, hidden x 2 back
#pragma once

#include <array>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

struct DeepEpShape {
  double nodes = 1;
  double hidden = 0;
  double tokens = 0;  // of a rank
  double top_k = 1;
  double groups = 0;  // of all ranks (experts)
  double sms = 20;    // normal kernels only
  bool combine = false;
};

double deepep_row_bytes(const DeepEpShape& shape);

struct DeepEpNormalCostParameters {
  double startup_us, per_log2_nodes_us;
  double near_efficiency, far_efficiency;
  double per_sm_bytes_us;  // of one SM
  double row_us;           // of one SM for a row and destination
  double overlap_power;
};

struct DeepEpNormalModel {
  using Shape = DeepEpShape;
  using Parameters = DeepEpNormalCostParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const DeepEpShape& shape, const Rates& rates, const Parameters& p);
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
