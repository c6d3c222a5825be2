// What a collective of NCCL takes within one node: the quickest of its protocols.
//
//   quick = startup + step (n - 1) + w / (link x efficiency)
//   wide  = startup + step (n - 1) + (w + sqrt(w x ramp)) / (link x efficiency x (1 - loss / n))
//   sum   startup + S (1 + 1 / n) / (link x efficiency)     all_reduce in the switch (NVLS), which
//         sends each byte once and each rank's own part once more; n > 2
//   w     the bytes that each rank sends: (n - 1) / n of the total, twice that for all_reduce
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {

enum class NcclOperation { AllReduce, AllGather, ReduceScatter, AllToAll };
// "all_reduce", "all_gather", "reduce_scatter", "alltoall"
std::optional<NcclOperation> parse_nccl_operation(std::string_view name);

struct NcclShape {
  NcclOperation operation = NcclOperation::AllReduce;
  double ranks = 2;
  double bytes = 0;  // nccl-tests' size: of the whole buffer (all_gather: that is received)
};

struct NcclCostParameters {
  double quick_us, quick_step_us, quick_efficiency;
  double wide_us, wide_step_us, wide_efficiency, wide_loss, ramp_bytes;
  double sum_us, sum_efficiency;
};

struct NcclModel {
  using Shape = NcclShape;
  using Parameters = NcclCostParameters;
  static std::span<const ParameterField<NcclCostParameters>> fields();
  static double us(const NcclShape& shape, const Rates& rates, const NcclCostParameters& p);
  static double least_us(const NcclShape& shape, const Rates& rates);
  // The same tables of H100 and H200 are apart by this (90th percentile): 3 to 10 % (all-to-all),
  // and as much from one run to the next.
  static constexpr double kCarried = 0.06;
  static constexpr std::array<std::string_view, 1> kCounted{"ranks"};
  static constexpr std::array<std::string_view, 2> kFeatures{"bytes", "ranks"};
  static std::array<double, 2> features(const NcclShape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const NcclShape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
