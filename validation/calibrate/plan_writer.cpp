#include "validation/calibrate/plan_writer.h"

#include <fmt/format.h>

#include <cmath>

namespace moesim::validation {

using cuda::PlanPoint;

bool is_fp8(const std::string& implementation) {
  return implementation == "moesim_fp8";
}

double bytes_of_weight(const std::string& implementation) {
  return is_fp8(implementation) ? 1 + 4.0 / (128 * 128) : 2;
}

PlanPoint PlanWriter::point(const std::string& prefix, const std::string& role,
                            const std::string& op, const std::string& impl,
                            const std::string& detail) {
  PlanPoint p;
  p.id = fmt::format("{}-{:03}", prefix, ++numbers_[prefix]);
  p.role = role;
  p.op = op;
  p.impl = impl;
  p.dtype = is_fp8(impl) ? "fp8_block" : "bf16";
  p.detail = detail;
  return p;
}

void PlanWriter::add_gemm(Gemm gemm) {
  PlanPoint p = point(gemm.prefix, gemm.role, gemm.loads.size() == 1 ? "gemm" : "grouped_gemm",
                      gemm.impl, gemm.shape.label + gemm.note);
  p.n = gemm.shape.n;
  p.k = gemm.shape.k;
  p.experts = static_cast<int>(gemm.loads.size());
  p.loads = std::move(gemm.loads);
  p.cold = gemm.cold;
  const double rows = p.rows(), n = p.n, k = p.k;
  const double bytes_of_a = is_fp8(p.impl) ? 1 + 4.0 / 128 : 2;
  p.flops = 2 * rows * n * k;
  p.bytes = std::round(p.active() * n * k * bytes_of_weight(p.impl) + rows * k * bytes_of_a +
                       rows * n * 2);
  add(std::move(p));
}

}  // namespace moesim::validation
