#include "hardware/kernels/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "hardware/kernels/rates.h"
#include "hardware/kernels/roofline.h"
#include "hardware/kernels/work.h"
#include "sim/error.h"

namespace moesim::hardware {
namespace {

constexpr std::array<std::string_view, 6> kImplementations{"roofline", "trtllm",   "sglang",
                                                           "vllm",     "deepgemm", "moesim"};

void check_implementation(const std::string& name, std::string_view kind) {
  if (name.empty() || std::ranges::find(kImplementations, name) != kImplementations.end()) return;
  throw sim::ConfigError(
      fmt::format("kernels.{}: there is no implementation \"{}\"; those known are {}", kind, name,
                  fmt::join(std::span<const std::string_view>(kImplementations), ", ")));
}

KernelCost by_roofline(const Work& work, const Rates& rates, double launches) {
  const double time = roofline_us(work, rates, launches);
  const double compute = work.flops > 0 ? work.flops / (rates.peak * kRooflineCompute) : 0;
  const double memory = work.bytes / (rates.bandwidth * kRooflineMemory);
  const double launch = launches * rates.launch;
  KernelCost cost;
  cost.time = sim::seconds_rounded_up(time * 1e-6);
  cost.flops = sim::Flops(work.flops);
  cost.bytes = sim::Bytes(std::llround(work.bytes));
  cost.bound = launch >= std::max(compute, memory) ? Bound::Launch
               : compute > memory                  ? Bound::Compute
                                                   : Bound::Memory;
  cost.low = kRooflineLow;
  cost.high = kRooflineHigh;
  cost.extrapolated = true;
  return cost;
}

}  // namespace

struct Kernels::Models {
  Device device;
};

Kernels::Kernels(const Device& device, const KernelChoice& choice)
    : models_(std::make_unique<const Models>(Models{device})) {
  check_implementation(choice.gemm, "gemm");
  check_implementation(choice.moe, "moe");
  check_implementation(choice.attention, "attention");
}
Kernels::~Kernels() = default;
Kernels::Kernels(Kernels&&) noexcept = default;

KernelCost Kernels::gemm(const GemmShape& shape, double sm_share) const {
  return by_roofline(work_of(shape), rates_of(models_->device, shape.precision, sm_share), 1);
}

KernelCost Kernels::grouped_gemm(const GroupedGemmShape& shape, double sm_share) const {
  return by_roofline(work_of(shape), rates_of(models_->device, shape.precision, sm_share), 1);
}

KernelCost Kernels::moe(const MoeShape& shape, double sm_share) const {
  // Two GEMMs and the activation; routing, permutation and finalize where rows come unsorted.
  const double launches = shape.routed ? 6 : 3;
  return by_roofline(work_of(shape), rates_of(models_->device, shape.precision, sm_share),
                     launches);
}

KernelCost Kernels::attention(const AttentionShape& shape, double sm_share) const {
  return by_roofline(work_of(shape), rates_of(models_->device, shape.precision, sm_share), 1);
}

KernelCost Kernels::mla(const MlaShape& shape, double sm_share) const {
  return by_roofline(work_of(shape), rates_of(models_->device, shape.precision, sm_share), 1);
}

KernelCost Kernels::elementwise(const ElementwiseShape& shape, double sm_share) const {
  return by_roofline(work_of(shape), rates_of(models_->device, Precision::BF16, sm_share),
                     static_cast<double>(shape.launches));
}

}  // namespace moesim::hardware
