// What the all-reduce of an inference engine takes within one node. It picks by size between
//
//   one shot  startup + rank (n - 1) + (n - 1) S / (link x efficiency)     each reads all others
//   two shot  startup + rank (n - 1) + 2 (n - 1) / n S / (link x efficiency)     reduce-scatter,
//             all-gather
//   library   startup + 2 (n - 1) / n S / (link x efficiency x (1 - loss / n))     NCCL
#pragma once

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/collectives/forms/parts.h"
#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

enum class AllReduceBranch { Quickest, OneShot, TwoShot, Library };

struct AllReduceShape {
  double ranks = 2;
  double bytes = 0;
  AllReduceBranch branch = AllReduceBranch::Quickest;
};

struct CustomAllReduceParameters {
  double one_us = 2.5, one_rank_us = 0.1, one_efficiency = 0.5;
  double two_us = 4, two_rank_us = 0.2, two_efficiency = 0.6;
  double library_us = 15, library_efficiency = 0.9, library_loss = 0.5;
};

struct CustomAllReduceModel {
  using Shape = AllReduceShape;
  using Parameters = CustomAllReduceParameters;
  static constexpr std::string_view kKind = "custom_allreduce";
  // Replayed in a graph, as steps are; launched by the host.
  static constexpr std::array<std::string_view, 2> kVariants{"graph", "eager"};
  static std::span<const ParameterField<Parameters>> fields();
  // Where a device has no fit, for a variant; and whose figures they are.
  static Parameters defaults(std::string_view variant);
  static constexpr std::string_view kDefaults = "engines' all-reduce on H100, round figures";
  static Parts parts(const AllReduceShape& shape, const Rates& rates, const Parameters& p);
  // What Quickest comes to.
  static AllReduceBranch quickest(const AllReduceShape& shape, const Rates& rates,
                                  const Parameters& p);
  static double us(const AllReduceShape& shape, const Rates& rates, const Parameters& p) {
    return parts(shape, rates, p).us();
  }
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
