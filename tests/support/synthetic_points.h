// Points that no GPU measured: a plan's points with times by a formula of their own, so that what
// follows a measurement can be tested where there is no GPU. The file says so in its first line.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "validation/cuda/device/numbers.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::tests {

// A made-up card: 132 multiprocessors, and what a good kernel reaches of an H100's data sheet.
struct MadeUpCard {
  double bf16_flops_us = 650e6, fp8_flops_us = 1100e6;  // a microsecond
  double bytes_us = 2.9e6;
  double kernel_us = 3, step_us = 2;  // a launch; each of the small kernels of a layer
};

// One grouped product: rows are computed in tiles of 64, and memory and arithmetic overlap but for
// a tenth of the shorter.
inline double synthetic_gemm_us(const std::vector<int>& loads, double n, double k, bool fp8,
                                const MadeUpCard& card) {
  double padded = 0, rows = 0, active = 0;
  for (const int load : loads) {
    padded += 64.0 * std::ceil(load / 64.0);
    rows += load;
    active += load > 0 ? 1 : 0;
  }
  const double width = fp8 ? 1 : 2;
  const double compute = 2 * padded * n * k / (fp8 ? card.fp8_flops_us : card.bf16_flops_us);
  const double memory = (active * n * k * width + rows * (k * width + 2 * n)) / card.bytes_us;
  return std::max(compute, memory) + 0.1 * std::min(compute, memory);
}

inline double synthetic_us(const validation::cuda::PlanPoint& p, const MadeUpCard& card) {
  const bool fp8 = p.dtype == "fp8_block";
  if (p.op == "gemm" || p.op == "grouped_gemm") {
    return card.kernel_us + synthetic_gemm_us(p.loads, p.n, p.k, fp8, card);
  }
  if (p.op == "layer") {
    const double rows = p.rows(), streamed = rows * (6.0 * p.hidden + 6.0 * p.inter);
    return 9 * card.step_us + streamed / card.bytes_us +
           synthetic_gemm_us(p.loads, 2.0 * p.inter, p.hidden, fp8, card) +
           synthetic_gemm_us(p.loads, p.hidden, p.inter, fp8, card);
  }
  return card.kernel_us + p.bytes / card.bytes_us;
}

// Two passes, each time off by a few percent; one point in forty is flagged as wrong.
inline std::string synthetic_points(const validation::cuda::Plan& plan, std::uint64_t seed) {
  using namespace validation::cuda;
  std::string text =
      points_header({{"format", "moesim points 1"}, {"source", "synthetic: no GPU measured this"}});
  std::uint64_t draw = 0;
  for (int pass = 1; pass <= 2; ++pass) {
    for (std::size_t i = 0; i < plan.points.size(); ++i) {
      PointResult r;
      r.pass = pass;
      r.repeats = 30;
      const double us = synthetic_us(plan.points[i], {});
      // The shape's own deviation is the same in both passes, the noise is not.
      const double own = 1 + 0.03 * hash_normal(seed, i),
                   noise = 1 + 0.005 * hash_normal(seed + 1, draw++);
      r.p50_us = us * own * noise;
      r.p10_us = 0.99 * r.p50_us;
      r.p90_us = 1.02 * r.p50_us;
      if (i % 40 == 39) {
        r.flags = {"wrong"};
        r.p50_us *= 3;
      }
      text += point_line(plan.points[i], r);
    }
  }
  return text;
}

}  // namespace moesim::tests
