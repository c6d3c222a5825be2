#include "hardware/kernels/grouped_product.h"

#include <algorithm>
#include <cmath>

#include "hardware/kernels/rates.h"
#include "hardware/kernels/roofline.h"
#include "hardware/kernels/work.h"
#include "sim/check.h"

namespace moesim::hardware {
namespace {

constexpr double kMemoryFraction = 0.9;

// In the order of ProductPass.
std::span<const std::string> variants() {
  static const std::array<std::string, 3> kVariants{"bf16_forward", "bf16_dgrad", "bf16_wgrad"};
  return kVariants;
}

// Of the product alone, which is one of as many numbers in all its passes.
Work product_work(const TrainingProduct& p) {
  return work_of(GemmShape{.m = p.m, .n = p.n, .k = p.k, .precision = p.precision});
}

double added_bytes(const GroupedProduct& x) {
  return x.pass == ProductPass::Weight ? sum_bytes(x.product) : 0;
}

}  // namespace

std::span<const ParameterField<GroupedProductParameters>> GroupedProductModel::fields() {
  using P = GroupedProductParameters;
  static constexpr std::array<ParameterField<P>, 2> kFields{{
      {"each_us", &P::each_us, 5, 0.1, 50},
      {"rate", &P::rate, 0.5, 0.1, 1},
  }};
  return kFields;
}

double GroupedProductModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  const Work work = product_work(x.product);
  const double bandwidth = r.bandwidth * kMemoryFraction;
  const double compute = work.flops / (r.peak * p.rate), traffic = work.bytes / bandwidth;
  return static_cast<double>(x.groups) *
         (p.each_us + std::cbrt(compute * compute * compute + traffic * traffic * traffic) +
          added_bytes(x) / bandwidth);
}

double GroupedProductModel::least_us(const Shape& x, const Rates& r) {
  Work work = product_work(x.product);
  work.bytes += added_bytes(x);
  return static_cast<double>(x.groups) * least_us_of(work, r);
}

std::array<double, 3> GroupedProductModel::features(const Shape& x) {
  return {static_cast<double>(x.product.m), static_cast<double>(x.product.n),
          static_cast<double>(x.product.k)};
}

GroupedProducts::GroupedProducts(const Device& device, const std::string& implementation)
    : device_(device),
      models_(device, "grouped_gemm", implementation, variants()),
      known_(std::ranges::all_of(variants(), [&](const std::string& variant) {
        const FittedModel* fit = find_fitted(device, "grouped_gemm", implementation, variant);
        return fit != nullptr && !fit->other_generation;
      })) {}

KernelCost GroupedProducts::cost(const TrainingProduct& product, ProductPass pass,
                                 DeviceShare share) const {
  SIM_CHECK(know(product.precision), "grouped products are fitted");
  const Rates rates = rates_of(device_, product.precision, share);
  const auto& [model, use] = models_.of(static_cast<std::size_t>(pass));
  const GroupedProduct x{.product = product, .pass = pass};
  const Estimate e = model->estimate(x, rates);
  const Work work = product_work(product);
  const double bytes = work.bytes + added_bytes(x);
  return {
      .time = sim::seconds_rounded_up(1e-6 * e.us),
      .flops = sim::Flops(work.flops),
      .bytes = sim::Bytes(std::llround(bytes)),
      .bound = work.flops / rates.peak > bytes / rates.bandwidth ? Bound::Compute : Bound::Memory,
      .launches = 1,
      .trust = trust_of(e, &use)};
}

}  // namespace moesim::hardware
