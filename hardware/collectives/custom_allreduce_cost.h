// What the all-reduce of an inference engine takes within one node: it picks by size between
//   one shot  startup + per rank + (n - 1) S / (link x efficiency)        each reads all the others
//   two shot  startup + per rank + 2 (n - 1) / n S / (link x efficiency)  reduce-scatter,
//   all-gather library   startup + per rank + 2 (n - 1) / n S / (link x efficiency x (1 - loss /
//   n))     NCCL
#pragma once

#include <array>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

struct AllReduceShape {
  double ranks = 2;
  double bytes = 0;
};

struct CustomAllReduceCostParameters {
  double one_us, one_rank_us, one_efficiency;
  double two_us, two_rank_us, two_efficiency;
  double library_us, library_efficiency, library_loss;
};

struct CustomAllReduceModel {
  using Shape = AllReduceShape;
  using Parameters = CustomAllReduceCostParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const AllReduceShape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const AllReduceShape& shape, const Rates& rates);
  // The same tables of H100 and H200 are apart by this (90th percentile): as NCCL.
  static constexpr double kCarried = 0.06;
  static constexpr std::array<std::string_view, 1> kCounted{"ranks"};
  static constexpr std::array<std::string_view, 2> kFeatures{"bytes", "ranks"};
  static std::array<double, 2> features(const AllReduceShape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const AllReduceShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
