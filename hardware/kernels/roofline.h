// The model of last resort, for kernels nobody has measured: a launch, then the slower of the
// arithmetic and the traffic at the parts of the datasheet's rates that well-made kernels reach.
#pragma once

#include "hardware/kernels/rates.h"
#include "hardware/kernels/work.h"

namespace moesim::hardware {

// What tuned kernels reach of the datasheet: two-constant fits to the public H100 tables give 0.75
// of the arithmetic and 0.79 of the bandwidth (bf16 GEMM, median error 8 %).
inline constexpr double kRooflineCompute = 0.75;
inline constexpr double kRooflineMemory = 0.79;
// Around such a prediction 90 % of those tables' points lie within these factors.
inline constexpr double kRooflineLow = 0.7, kRooflineHigh = 2.2;

// Microseconds.
double roofline_us(const Work& work, const Rates& rates, double launches);

// The least time that the datasheet allows, microseconds.
double least_us_of(const Work& work, const Rates& rates);

}  // namespace moesim::hardware
