#include "hardware/kernels/training_attention.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "hardware/kernels/fitted.h"
#include "hardware/kernels/rates.h"
#include "hardware/kernels/roofline.h"

namespace moesim::hardware {
namespace {

constexpr double kCopyFraction = 0.85;  // of the memory's bandwidth, as element-wise kernels have
constexpr std::int64_t kBackLaunches = 3;  // row sums of dO O, the core, dQ to 16 bits

struct PassWork {
  double flops, bytes;  // over those of the forward pass
  std::int64_t launches;
};
constexpr PassWork work_of(AttentionPass pass) {
  switch (pass) {
    case AttentionPass::Forward:
      return {1, 1, 1};
    case AttentionPass::Backward:
      return {2.5, 3, kBackLaunches};
    case AttentionPass::Both:
      break;
  }
  return {3.5, 4, 1 + kBackLaunches};
}

// Of steps, in the order of AttentionPass.
std::span<const std::string> variants() {
  static const std::array<std::string, 2> kVariants{"bf16_forward", "bf16_backward"};
  return kVariants;
}

double real(std::int64_t n) {
  return static_cast<double>(n);
}

double queries_of(const TrainingAttentionShape& s) {
  return real(s.sequences) * real(s.queries);
}

double per_pair(const TrainingAttentionShape& s) {
  return 2 * real(s.heads) * real(s.qk_dim + s.v_dim);
}

Work work_of(const TrainingAttentionInput& x) {
  const TrainingAttentionShape& s = x.shape;
  const PassWork pass = work_of(x.pass);
  const double rows = real(s.queries) * real(s.heads) + real(s.keys) * real(s.kv_heads);
  return {.flops = pass.flops * visible_pairs(s) * per_pair(s),
          .bytes = pass.bytes * 2 * real(s.sequences) * rows * real(s.qk_dim + s.v_dim)};
}

}  // namespace

double visible_pairs(const TrainingAttentionShape& shape) {
  const double n = real(shape.keys), w = real(shape.window);
  if (!shape.causal) return queries_of(shape) * n;
  const double seen = shape.window > 0 && w < n ? w - w * w / (2 * n) : (n + 1) / 2;
  return queries_of(shape) * seen;
}

std::span<const ParameterField<TrainingAttentionParameters>> TrainingAttentionModel::fields() {
  using P = TrainingAttentionParameters;
  // What no table tells is as FlashAttention-3 has it on H100: heads of 64 reach 497 of 648 TFLOPS
  // forward, and a tile costs as much as some 200 keys more, on the diagonal 100 (arXiv
  // 2407.08608).
  static constexpr bool kOptional = ParameterField<P>::kOptional;
  static constexpr std::array<ParameterField<P>, 6> kFields{{
      {"rate", &P::rate, 0.65, 0.1, 1},
      {"narrow", &P::narrow, 0.77, 0.3, 1.5, kOptional},
      {"wide", &P::wide, 1, 0.3, 1.5, kOptional},
      {"tile_keys", &P::tile_keys, 200, 1, 2000, kOptional},
      {"diagonal_keys", &P::diagonal_keys, 200, 1, 4000, kOptional},
      {"start_us", &P::start_us, 5, 0.1, 200},
  }};
  return kFields;
}

bool TrainingAttentionModel::tells(std::string_view parameter, const Shape& x, const Shape& first) {
  if (parameter == "narrow") return x.shape.qk_dim <= 64;
  if (parameter == "wide") return x.shape.qk_dim > 128;
  if (x.shape.keys == first.shape.keys) return false;
  return parameter == (x.shape.causal ? "diagonal_keys" : "tile_keys");
}

double TrainingAttentionModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  const TrainingAttentionShape& s = x.shape;
  const PassWork pass = work_of(x.pass);
  const Work work = work_of(x);
  const double width = s.qk_dim <= 64 ? p.narrow : s.qk_dim <= 128 ? 1 : p.wide;
  const double beside = p.tile_keys + (s.causal ? p.diagonal_keys / 2 : 0);
  const double edges = queries_of(s) * beside * per_pair(s);
  const double compute = (work.flops + pass.flops * edges) / (r.peak * p.rate * width);
  const double memory = work.bytes / (r.bandwidth * kCopyFraction);
  return x.host_us + static_cast<double>(pass.launches) * r.launch + p.start_us +
         std::max(compute, memory);
}

double TrainingAttentionModel::least_us(const Shape& x, const Rates& r) {
  return least_us_of(work_of(x), r);
}

std::array<double, 2> TrainingAttentionModel::features(const Shape& x) {
  return {real(x.shape.keys), real(x.shape.qk_dim)};
}

std::optional<TrainingCore> core_named(std::string_view name) {
  const auto found = std::ranges::find(kTrainingCoreNames, name);
  if (found == kTrainingCoreNames.end()) return {};
  return static_cast<TrainingCore>(found - kTrainingCoreNames.begin());
}

TrainingCore usual_core(const Device& device) {
  return device.generation == "ampere" ? TrainingCore::FlashAttention2 : TrainingCore::CuDnn;
}

TrainingAttention::TrainingAttention(const Device& device, TrainingCore core)
    : device_(device),
      models_(device, "training_attention", std::string(name_of(core)), variants()) {}

KernelCost TrainingAttention::forward(const TrainingAttentionShape& shape,
                                      DeviceShare share) const {
  return cost({.shape = shape, .pass = AttentionPass::Forward}, share);
}
KernelCost TrainingAttention::backward(const TrainingAttentionShape& shape,
                                       DeviceShare share) const {
  return cost({.shape = shape, .pass = AttentionPass::Backward}, share);
}

KernelCost TrainingAttention::cost(const TrainingAttentionInput& input, DeviceShare share) const {
  const Rates rates = rates_of(device_, Precision::BF16, share);
  const auto& [model, use] = models_.of(static_cast<std::size_t>(input.pass));
  const Work work = work_of(input);
  const std::int64_t launches = work_of(input.pass).launches;
  KernelCost cost;
  double us = 0;
  if (model) {
    const Estimate e = model->estimate(input, rates);
    us = e.us;
    cost.trust = trust_of(e, &use);
  } else {
    us = roofline_us(work, rates, static_cast<double>(launches));
    cost.trust = {.p10 = std::pow(kRooflineLow, kDecile),
                  .p90 = std::pow(kRooflineHigh, kDecile),
                  .low = kRooflineLow,
                  .high = kRooflineHigh,
                  .use = &use};
  }
  cost.time = sim::seconds_rounded_up(1e-6 * us);
  cost.flops = sim::Flops(work.flops);
  cost.bytes = sim::Bytes(std::llround(work.bytes));
  cost.bound =
      work.flops / rates.peak > work.bytes / rates.bandwidth ? Bound::Compute : Bound::Memory;
  cost.launches = launches;
  return cost;
}

}  // namespace moesim::hardware
