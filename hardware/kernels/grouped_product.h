// Products of training that come in groups, an expert's each, on several streams of one GPU
// (Transformer Engine's GroupedLinear): what is fitted on tables of them, kind "grouped_gemm", by
// pass. Of each product:
//
//   us      = each_us + ((FLOP / (peak x rate))^3 + (bytes / bandwidth)^3)^(1/3) + sum / bandwidth
//   each_us   of a product of any size, its launch among it: neighbours on other streams hide the
//             rest of what it takes to start and to end, of which a product alone has more
//   rate      of the peak, which the card's power holds down while one product follows another
//   sum       bytes of the sum that a weight's gradient is added to (training_product.h)
//
// bandwidth is 0.9 of the memory's. On B200 (SimuMax@4dcaae5, 160 groups of 154 rows to 40 of
// 9,832) products one after another were predicted twice as long where rows are few. Where a device
// and its generation have no such fit products follow one another, as on H100 with thousands of
// rows each (workloads/training/README.md).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "hardware/kernels/family.h"
#include "hardware/kernels/training_product.h"

namespace moesim::hardware {

struct GroupedProduct {
  TrainingProduct product;
  ProductPass pass = ProductPass::Forward;
  std::int64_t groups = 1;  // products of that shape
};

struct GroupedProductParameters {
  double each_us, rate;
};

struct GroupedProductModel {
  using Shape = GroupedProduct;
  using Parameters = GroupedProductParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::int64_t kLeastPoints = 6;
  static constexpr std::array<std::string_view, 3> kFeatures{"m", "n", "k"};
  static std::array<double, 3> features(const Shape& shape);
  static std::vector<std::vector<double>> knots() { return {}; }
  static std::string_view regime(const Shape&, const Rates&) { return "all"; }
};

class GroupedProducts {
 public:
  // The device outlives this, and prices point to what this has (Trust::use).
  GroupedProducts(const Device& device, const std::string& implementation);

  // Whether fits of that implementation, of the device's own generation, say what a product of a
  // group takes.
  bool know(Precision precision) const { return known_ && precision == Precision::BF16; }
  // One product of a group, with the sum of its pass. REQUIRES: know(product.precision)
  KernelCost cost(const TrainingProduct& product, ProductPass pass, DeviceShare share = {}) const;

 private:
  const Device& device_;
  Family<GroupedProductModel> models_;
  bool known_;
};

}  // namespace moesim::hardware
