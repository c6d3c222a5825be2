#include "hardware/kernels/training_attention.h"

#include <algorithm>
#include <cmath>

#include "hardware/kernels/fitted.h"
#include "hardware/kernels/rates.h"

namespace moesim::hardware {
namespace {

constexpr double kBackFlops = 2.5, kBackBytes = 3;
constexpr double kCopyFraction = 0.85;  // of the memory's bandwidth, as element-wise kernels have
constexpr std::int64_t kBackLaunches = 3;  // row sums of dO O, the core, dQ to 16 bits
// True over predicted, 90 % between the ends: the spread over the benches above.
constexpr double kLow = 0.85, kHigh = 1.25;

using Constants = TrainingAttention::Constants;

// FlashAttention-3's shape of the curve: heads of 64 and less reach 497 of 648 TFLOPS, the backward
// core `back` of the forward's rate.
constexpr Constants flash(double rate, double wide_rate, double start_us, double back) {
  constexpr double kEdge = 380, kRamp = 184, kNarrow = 0.77;
  return {{rate * kNarrow, kEdge},
          {rate, kEdge},
          {wide_rate, kEdge},
          {rate * kNarrow * back, kEdge},
          {rate * back, kEdge},
          {wide_rate * back, kEdge},
          kRamp,
          start_us};
}
constexpr Constants kHopper = flash(0.64, 0.72, 0, 0.87);
constexpr Constants kBlackwell = flash(0.59, 0.48, 40, 0.82);
constexpr Constants kAmpere = flash(0.69, 0.60, 80, 0.85);
constexpr Constants kHopperCuDnn{
    {0.480, 440}, {0.669, 380}, {0.635, 300}, {0.495, 720}, {0.611, 1000}, {0.550, 860}, 0, 0};

struct Known {
  Constants constants;
  const char* device;
  bool same_generation;
};
Known constants_of(const Device& device, TrainingCore core) {
  const bool hopper = device.generation == "hopper";
  if (core == TrainingCore::CuDnn) return {kHopperCuDnn, "H100 SXM", hopper};
  if (device.generation == "blackwell") return {kBlackwell, "B200", true};
  if (device.generation == "ampere") return {kAmpere, "A100 PCIe", true};
  return {kHopper, "H100 SXM", hopper};
}

}  // namespace

double visible_pairs(const TrainingAttentionShape& shape) {
  const auto n = static_cast<double>(shape.keys), w = static_cast<double>(shape.window);
  if (!shape.causal) return static_cast<double>(shape.sequences * shape.queries) * n;
  const double seen = shape.window > 0 && w < n ? w - w * w / (2 * n) : (n + 1) / 2;
  return static_cast<double>(shape.sequences * shape.queries) * seen;
}

std::optional<TrainingCore> core_named(std::string_view name) {
  const auto found = std::ranges::find(kTrainingCoreNames, name);
  if (found == kTrainingCoreNames.end()) return {};
  return static_cast<TrainingCore>(found - kTrainingCoreNames.begin());
}

TrainingCore usual_core(const Device& device) {
  return device.generation == "hopper" ? TrainingCore::CuDnn : TrainingCore::FlashAttention3;
}

TrainingAttention::TrainingAttention(const Device& device, TrainingCore core) : device_(device) {
  const Known known = constants_of(device, core);
  constants_ = known.constants;
  use_ = {.kind = "training_attention",
          .asked = std::string(name_of(core)),
          .used = std::string(name_of(core)),
          .axes = {},
          .provenance = {.origin = Origin::Fitted,
                         .source = core == TrainingCore::CuDnn
                                       ? "cuDNN 9.19 on an H100 (validation/measured)"
                                       : "arXiv 2407.08608 fig. 6, SimuMax@4dcaae5, "
                                         "deepseek-ai/profile-data@4496024; constants by hand"},
          .carried_from = device.name == known.device ? "" : known.device,
          .other_generation = !known.same_generation};
}

KernelCost TrainingAttention::forward(const TrainingAttentionShape& shape,
                                      DeviceShare share) const {
  return cost(shape, share, false);
}
KernelCost TrainingAttention::backward(const TrainingAttentionShape& shape,
                                       DeviceShare share) const {
  return cost(shape, share, true);
}

KernelCost TrainingAttention::cost(const TrainingAttentionShape& s, DeviceShare share,
                                   bool backward) const {
  const Rates rates = rates_of(device_, Precision::BF16, share);
  const double pairs = visible_pairs(s), keys = static_cast<double>(s.keys);
  const double per_pair = 2 * static_cast<double>(s.heads * (s.qk_dim + s.v_dim));
  const Constants& c = constants_;
  const Curve& curve = s.qk_dim <= 64    ? (backward ? c.back_narrow : c.narrow)
                       : s.qk_dim <= 128 ? (backward ? c.back_plain : c.plain)
                                         : (backward ? c.back_wide : c.wide);
  const double edges = s.causal ? static_cast<double>(s.sequences * s.queries) * curve.edge / 2 : 0;
  double compute = (pairs + edges) * per_pair / (rates.peak * curve.rate);
  double bytes = 2 * static_cast<double>(s.sequences * (s.queries * s.heads + s.keys * s.kv_heads) *
                                         (s.qk_dim + s.v_dim));
  double flops = pairs * per_pair;
  if (backward) {
    compute *= kBackFlops * (keys + c.ramp) / keys;
    flops *= kBackFlops;
    bytes *= kBackBytes;
  }
  const double memory = bytes / (rates.bandwidth * kCopyFraction);
  const std::int64_t launches = backward ? kBackLaunches : 1;
  KernelCost cost;
  cost.time = sim::seconds_rounded_up(1e-6 * (static_cast<double>(launches) * rates.launch +
                                              constants_.start_us + std::max(compute, memory)));
  cost.flops = sim::Flops(flops);
  cost.bytes = sim::Bytes(std::llround(bytes));
  cost.bound = compute > memory ? Bound::Compute : Bound::Memory;
  cost.launches = launches;
  cost.trust = {.p10 = std::pow(kLow, kDecile),
                .p90 = std::pow(kHigh, kDecile),
                .low = kLow,
                .high = kHigh,
                .use = &use_};
  return cost;
}

}  // namespace moesim::hardware
