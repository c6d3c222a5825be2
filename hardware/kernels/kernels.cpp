#include "hardware/kernels/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/attention.h"
#include "hardware/kernels/fitted.h"
#include "hardware/kernels/gemm.h"
#include "hardware/kernels/mla.h"
#include "hardware/kernels/moe.h"
#include "hardware/kernels/roofline.h"
#include "hardware/kernels/work.h"
#include "sim/error.h"

namespace moesim::hardware {
namespace {

constexpr std::array<std::string_view, 6> kImplementations{"roofline", "trtllm",   "sglang",
                                                           "vllm",     "deepgemm", "moesim"};
constexpr std::string_view kDefault = "trtllm";
// Above this many rows a group, kernels for dispatched rows are those of prefill.
constexpr double kMostDecodeRows = 128;
// A step with this many new tokens at most runs the kernels of decode.
constexpr std::int64_t kMostDecodeQueries = 8;
// Norms and copies: a plain copy kernel reaches about this much of the memory's bandwidth
// (0.85 to 0.94 is the best seen in public H100 tables), and its time is known so well.
constexpr double kCopyFraction = 0.85, kCopyLow = 0.85, kCopyHigh = 1.4;
// Launches bound a kernel that is in arithmetic and traffic for less than this part of its time,
// and is no longer than so many of them.
constexpr double kBoundShare = 0.3, kManyLaunches = 40;

// A known name, or one that the device has a fit of: of kernels that were measured on it.
std::string checked(const Device& device, const std::string& name, std::string_view kind) {
  if (name.empty()) return std::string(kDefault);
  std::vector<std::string> known(kImplementations.begin(), kImplementations.end());
  for (const FittedModel& fit : device.fitted) {
    // "wideep_moe" is for moe, "context_attention" for attention, and so is "context_mla".
    const bool of_kind =
        fit.kind.ends_with(kind) || (kind == "attention" && fit.kind.ends_with("mla"));
    if (of_kind && std::ranges::find(known, fit.implementation) == known.end())
      known.push_back(fit.implementation);
  }
  if (std::ranges::find(known, name) == known.end())
    throw sim::ConfigError(
        fmt::format("kernels.{}: there is no implementation \"{}\"; those known are {}", kind, name,
                    fmt::join(known, ", ")));
  return name;
}

Bound bound_of(const Work& work, const Rates& rates, double us) {
  const double compute = work.flops > 0 ? work.flops / rates.peak : 0;
  const double memory = work.bytes / rates.bandwidth;
  if (std::max(compute, memory) < kBoundShare * us && us < kManyLaunches * rates.launch)
    return Bound::Launch;
  return compute > memory ? Bound::Compute : Bound::Memory;
}

KernelCost cost_of(const Estimate& e, const Work& work, const Rates& rates) {
  KernelCost cost;
  cost.time = sim::seconds_rounded_up(e.us * 1e-6);
  cost.flops = sim::Flops(work.flops);
  cost.bytes = sim::Bytes(std::llround(work.bytes));
  cost.bound = bound_of(work, rates, e.us);
  cost.low = e.low;
  cost.high = e.high;
  cost.extrapolated = e.extrapolated;
  return cost;
}

bool is_quantised(Precision p) {
  return bytes_per_element(p) < 2;
}

// Of a fused mixture layer: choice, sorting, two products and the quantisation before each,
// activation, sum; sorted rows come chosen.
std::int64_t moe_launches(const MoeShape& shape) {
  return (shape.routed ? 6 : 3) + (is_quantised(shape.precision) ? 2 : 0);
}

KernelCost with_launches(KernelCost cost, std::int64_t launches) {
  cost.launches = launches;
  return cost;
}

KernelCost by_roofline(const Work& work, const Rates& rates, double launches) {
  const Estimate e{.us = roofline_us(work, rates, launches),
                   .low = kRooflineLow,
                   .high = kRooflineHigh,
                   .extrapolated = true};
  return cost_of(e, work, rates);
}

// The models of one kind and implementation, by variant.
template <class M>
class Family {
 public:
  // `variants`: all that may be asked for.
  Family(const Device& device, std::string_view kind, const std::string& implementation,
         std::span<const std::string> variants) {
    if (implementation == "roofline") return;
    // Many variants have one model to stand in for them, which is held once.
    std::map<std::pair<const FittedModel*, double>, std::shared_ptr<const Fitted<M>>> held;
    for (const std::string& variant : variants) {
      const Chosen chosen = choose_fitted(device, kind, implementation, variant);
      if (!chosen.model) continue;
      auto& model = held[{chosen.model, chosen.doubt}];
      if (!model) model = std::make_shared<const Fitted<M>>(*chosen.model, chosen.doubt);
      models_.try_emplace(variant, model);
    }
  }

  // Null where the roofline must do.
  const Fitted<M>* find(const std::string& variant) const {
    const auto found = models_.find(variant);
    return found == models_.end() ? nullptr : found->second.get();
  }

 private:
  std::map<std::string, std::shared_ptr<const Fitted<M>>> models_;
};

std::vector<std::string> precision_names() {
  return {kPrecisionNames.begin(), kPrecisionNames.end()};
}

std::vector<std::string> pair_names() {
  std::vector<std::string> names;
  for (const std::string_view a : kPrecisionNames)
    for (const std::string_view b : kPrecisionNames) names.push_back(fmt::format("{}_{}", a, b));
  return names;
}

std::string pair_name(Precision a, Precision b) {
  return fmt::format("{}_{}", name_of(a), name_of(b));
}

// Kernels for rows that come sorted were measured without a graph in prefill; in a step their
// launches go ahead of the GPU, and cost what they do in decode.
std::optional<Fitted<MoeModel>> prefill_model(const Device& device) {
  const FittedModel* prefill = find_fitted(device, "wideep_moe", "deepgemm", "prefill");
  const FittedModel* decode = find_fitted(device, "wideep_moe", "deepgemm", "decode");
  if (!prefill || !decode) return {};
  FittedModel model = *prefill;
  model.parameters["launch_us"] = decode->parameters.at("launch_us");
  return Fitted<MoeModel>(std::move(model));
}

std::optional<Fitted<MoeModel>> decode_model(const Device& device) {
  const FittedModel* decode = find_fitted(device, "wideep_moe", "deepgemm", "decode");
  if (!decode) return {};
  return Fitted<MoeModel>(*decode);
}

bool is_decode(std::int64_t queries, std::int64_t keys) {
  return queries <= kMostDecodeQueries && queries < keys;
}

}  // namespace

struct Kernels::Models {
  Models(const Device& d, const KernelChoice& choice)
      : device(d),
        plain(choice.gemm == "roofline"),
        moe_name(checked(d, choice.moe, "moe")),
        gemm(d, "gemm", checked(d, choice.gemm, "gemm"), precision_names()),
        moe(d, "moe", moe_name, precision_names()),
        context(d, "context_attention", checked(d, choice.attention, "attention"), pair_names()),
        decode(d, "generation_attention", checked(d, choice.attention, "attention"), pair_names()),
        context_mla(d, "context_mla", checked(d, choice.attention, "attention"), pair_names()),
        decode_mla(d, "generation_mla", checked(d, choice.attention, "attention"), pair_names()),
        dispatched_decode(decode_model(d)),
        dispatched_prefill(prefill_model(d)) {}

  // What prices a mixture layer; null for the roofline.
  const Fitted<MoeModel>* moe_for(const MoeInput& x) const {
    if (moe_name == "deepgemm" && !x.routed && x.precision == Precision::FP8Block &&
        dispatched_decode && dispatched_prefill) {
      const double rows = x.rows.rows / std::max(1.0, x.rows.active);
      return rows > kMostDecodeRows ? &*dispatched_prefill : &*dispatched_decode;
    }
    return moe.find(std::string(name_of(x.precision)));
  }

  Device device;
  bool plain;  // the roofline for norms and copies, too
  std::string moe_name;
  Family<GemmModel> gemm;
  Family<MoeModel> moe;
  Family<ContextAttentionModel> context;
  Family<DecodeAttentionModel> decode;
  Family<ContextMlaModel> context_mla;
  Family<DecodeMlaModel> decode_mla;
  std::optional<Fitted<MoeModel>> dispatched_decode, dispatched_prefill;
};

Kernels::Kernels(const Device& device, const KernelChoice& choice)
    : models_(std::make_unique<const Models>(device, choice)) {}
Kernels::~Kernels() = default;
Kernels::Kernels(Kernels&&) noexcept = default;

KernelCost Kernels::gemm(const GemmShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  const auto* model = models_->gemm.find(std::string(name_of(shape.precision)));
  // Activations are quantised by a kernel of their own.
  const std::int64_t launches = is_quantised(shape.precision) ? 2 : 1;
  return with_launches(
      model ? cost_of(model->estimate(shape, rates), work, rates) : by_roofline(work, rates, 1),
      launches);
}

KernelCost Kernels::grouped_gemm(const GroupedGemmShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  MoeInput x;
  x.rows = group_rows(shape.rows);
  x.precision = shape.precision;
  x.routed = false;
  const Fitted<MoeModel>* model = models_->moe_for(x);
  if (!model || x.rows.rows <= 0) return by_roofline(work, rates, 1);
  // One launch of the layer's two, without its sorting and streaming.
  x.hidden = static_cast<double>(shape.k);
  x.inter = static_cast<double>(shape.n);
  Estimate e = model->estimate(x, rates);  // for its interval
  e.us = rates.launch + std::max(grouped_gemm_us(x.rows, x.inter, x.hidden, x.precision, rates,
                                                 model->parameters()),
                                 least_us_of(work, rates));
  return cost_of(e, work, rates);
}

KernelCost Kernels::moe(const MoeShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  const MoeInput x = input_of(shape);
  const Fitted<MoeModel>* model = models_->moe_for(x);
  // Two GEMMs and the activation; routing, permutation and finalize where rows come unsorted.
  return with_launches(model ? cost_of(model->estimate(x, rates), work, rates)
                             : by_roofline(work, rates, shape.routed ? 6 : 3),
                       moe_launches(shape));
}

KernelCost Kernels::attention(const AttentionShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  AttentionInput x{.shape = shape};
  if (is_decode(shape.query_length, shape.kv_length)) {
    const auto* model = models_->decode.find(pair_name(Precision::BF16, shape.kv_precision));
    if (model) x.most_packed = most_packed_heads(model->model().implementation);
    if (model) return cost_of(model->estimate(x, rates), work, rates);
  } else {
    const auto* model = models_->context.find(pair_name(shape.precision, shape.kv_precision));
    if (model) return cost_of(model->estimate(x, rates), work, rates);
  }
  return by_roofline(work, rates, 1);
}

KernelCost Kernels::mla(const MlaShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  const MlaInput x{.shape = shape, .repeated = false};
  const std::string variant = pair_name(Precision::BF16, shape.kv_precision);
  if (is_decode(shape.query_length, shape.kv_length)) {
    const auto* model = models_->decode_mla.find(variant);
    if (model) return cost_of(model->estimate(x, rates), work, rates);
  } else {
    const auto* model = models_->context_mla.find(variant);
    if (model) return cost_of(model->estimate(x, rates), work, rates);
  }
  return by_roofline(work, rates, 1);
}

KernelCost Kernels::elementwise(const ElementwiseShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, Precision::BF16, share);
  const Work work = work_of(shape);
  if (models_->plain) return by_roofline(work, rates, static_cast<double>(shape.launches));
  const Estimate e{.us = static_cast<double>(shape.launches) * rates.launch +
                         work.bytes / (rates.bandwidth * kCopyFraction),
                   .low = kCopyLow,
                   .high = kCopyHigh,
                   .extrapolated = false};
  return with_launches(cost_of(e, work, rates), shape.launches);
}

}  // namespace moesim::hardware
