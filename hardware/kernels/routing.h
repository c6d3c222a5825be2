// What surrounds a mixture layer's products, as kernels of their own: the choice of experts, and
// rows copied to where they go and added up where they come back. Public tables have them inside of
// whole layers only; devices that moesim-gpu measured have a fit of each.
//
//   router  = launch + choice x top_k + tokens x rounds x round / SMs + traffic / (bandwidth x
//   fraction)
//             rounds = ceil(experts / 32) x (1 + top_k): of a warp over a token's scores, once to
//             read them and once for each choice
//   permute = launch + added x copies + (once + again x (all - once)) / (bandwidth x fraction) / (1
//   + gain / (1 + (all / L2)^2))
//             all = bytes read and written, once = without the repeated reads of a token's row:
//             what comes from memory; the last term is of what the L2 holds; on the way back a
//             token's copies are added one after another
#pragma once

#include <array>
#include <vector>

#include "hardware/kernels/parameters.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/shapes.h"

namespace moesim::hardware {

struct RouterParameters {
  double launch_us, choice_us;
  double round_ns;  // of one multiprocessor
  double memory_fraction;
};

// Scores in fp32 by softmax, without groups.
struct RouterModel {
  using Shape = RouterShape;
  using Parameters = RouterParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 3> kFeatures{"tokens", "experts", "top_k"};
  static std::array<double, 3> features(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

struct PermuteParameters {
  double launch_us, memory_fraction, l2_gain, repeated;
  double added_us;  // of a copy that comes back
};

// Rows out to where they go, or back (RowsShape::back).
struct PermuteModel {
  using Shape = RowsShape;
  using Parameters = PermuteParameters;
  static std::span<const ParameterField<Parameters>> fields();
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::array<std::string_view, 3> kFeatures{"tokens", "copies", "row_bytes"};
  static std::array<double, 3> features(const Shape& shape);
  static std::vector<std::vector<double>> knots();
  static std::string_view regime(const Shape& shape, const Rates& rates);
};

}  // namespace moesim::hardware
