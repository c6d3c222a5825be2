#include "hardware/kernels/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/attention.h"
#include "hardware/kernels/expert_format.h"
#include "hardware/kernels/family.h"
#include "hardware/kernels/fitted.h"
#include "hardware/kernels/gemm.h"
#include "hardware/kernels/mla.h"
#include "hardware/kernels/moe.h"
#include "hardware/kernels/moe_layer.h"
#include "hardware/kernels/roofline.h"
#include "hardware/kernels/routing.h"
#include "hardware/kernels/work.h"
#include "sim/check.h"
#include "sim/error.h"

namespace moesim::hardware {
namespace {

constexpr std::array<std::string_view, 8> kImplementations{
    "roofline", "trtllm", "trtllm_gen", "sglang", "vllm", "marlin", "deepgemm", "moesim"};
constexpr std::string_view kDefault = "trtllm", kRoofline = "roofline", kOurs = "moesim";
// Above this many rows a group, kernels for dispatched rows are those of prefill.
constexpr double kMostDecodeRows = 128;
bool has_many_rows(const GroupRows& rows) {
  return rows.rows / std::max(1.0, rows.active) > kMostDecodeRows;
}
// A decode checks this many new tokens of a sequence at most.
constexpr std::int64_t kMostDecodeQueries = 8;
// Norms and copies: a plain copy kernel reaches about this much of the memory's bandwidth
// (0.85 to 0.94 is the best seen in public H100 tables), and its time is known so well.
constexpr double kCopyFraction = 0.85, kCopyLow = 0.85, kCopyHigh = 1.4;
constexpr const char* kCopyDevice = "H100 SXM";
constexpr std::string_view kCopyGeneration = "hopper";
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

KernelCost cost_of(double us, const Trust& trust, const Work& work, const Rates& rates) {
  KernelCost cost;
  cost.time = sim::seconds_rounded_up(us * 1e-6);
  cost.flops = sim::Flops(work.flops);
  cost.bytes = sim::Bytes(std::llround(work.bytes));
  cost.bound = bound_of(work, rates, us);
  cost.trust = trust;
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

// Of two constants that hold 90 % between them; on another device as unsure as a fit would be
// there.
Trust trust_between(double low, double high, const ModelUse& use) {
  if (!use.carried_from.empty()) {
    low = std::exp(-std::hypot(std::log(low), kDoubt.carried));
    high = std::exp(std::hypot(std::log(high), kDoubt.carried));
  }
  return {.p10 = std::pow(low, kDecile),
          .p90 = std::pow(high, kDecile),
          .low = low,
          .high = high,
          .use = &use};
}

KernelCost by_roofline(const Work& work, const Rates& rates, double launches, const ModelUse& use) {
  return cost_of(roofline_us(work, rates, launches),
                 trust_between(kRooflineLow, kRooflineHigh, use), work, rates);
}

// By the model that answers; the roofline where none does, with so many launches.
template <class M>
KernelCost by(const typename Family<M>::Answer& answer, const typename M::Shape& shape,
              const Work& work, const Rates& rates, double launches) {
  if (!answer.model) return by_roofline(work, rates, launches, answer.use);
  const Estimate e = answer.model->estimate(shape, rates);
  return cost_of(e.us, trust_of(e, &answer.use), work, rates);
}

std::vector<std::string> precision_names() {
  return {kPrecisionNames.begin(), kPrecisionNames.end()};
}

std::vector<std::string> pair_names() {
  std::vector<std::string> names;
  for (const std::string_view a : kPrecisionNames)
    for (const std::string_view b : kPrecisionNames) names.push_back(fmt::format("{}_{}", a, b));
  return names;
}

// The places of a format, and of a pair of them, in those lists.
std::size_t place_of(Precision p) {
  return static_cast<std::size_t>(p);
}
std::size_t place_of(Precision a, Precision b) {
  return place_of(a) * kPrecisions.size() + place_of(b);
}

// One fit, as what it is.
template <class M>
typename Family<M>::Answer answer_of(const char* kind, FittedModel model) {
  auto fitted = std::make_shared<const Fitted<M>>(std::move(model));
  ModelUse use = fitted->use(kind, fitted->model().implementation + " " + fitted->model().variant);
  return {std::move(fitted), std::move(use)};
}

// Of kernels that no public table has: the device's own fit, or none.
template <class M>
typename Family<M>::Answer measured(const Device& device, bool plain, const char* kind,
                                    const char* variant) {
  const FittedModel* fit = plain ? nullptr : find_fitted(device, kind, kOurs, variant);
  return fit ? answer_of<M>(kind, *fit) : typename Family<M>::Answer{};
}

// The kernels for rows that come sorted: of decode, and of prefill. Those of prefill were measured
// without a graph; in a step their launches go ahead of the GPU, and cost what they do in decode.
struct Dispatched {
  Family<MoeModel>::Answer decode, prefill;
};
std::optional<Dispatched> dispatched_models(const Device& device) {
  constexpr const char* kKind = "wideep_moe";
  const FittedModel* prefill = find_fitted(device, kKind, "deepgemm", "prefill");
  const FittedModel* decode = find_fitted(device, kKind, "deepgemm", "decode");
  if (!prefill || !decode) return {};
  FittedModel launched = *prefill;
  launched.parameters["launch_us"] = decode->parameters.at("launch_us");
  return Dispatched{answer_of<MoeModel>(kKind, *decode),
                    answer_of<MoeModel>(kKind, std::move(launched))};
}

// What is told of norms and copies.
ModelUse use_of_copies(const Device& device) {
  const bool same = device.name == kCopyDevice;
  return {.kind = "elementwise",
          .asked = "copy",
          .used = "copy",
          .axes = {},
          .provenance = {.origin = Origin::Imported,
                         .source = "copies in public tables of H100, aiconfigurator 095f58a5"},
          .carried_from = same ? "" : kCopyDevice,
          .other_generation = device.generation != kCopyGeneration};
}

}  // namespace

ModelUse use_of_roofline(std::string kind, std::string asked) {
  return {
      .kind = std::move(kind),
      .asked = std::move(asked),
      .used = std::string(kRoofline),
      .axes = {},
      .provenance = {.origin = Origin::Extrapolated,
                     .source = fmt::format("roofline: {} of the arithmetic, {} of the bandwidth",
                                           kRooflineCompute, kRooflineMemory)},
      .carried_from = {},
      .unfitted = true};
}

struct Kernels::Models {
  Models(const Device& d, const KernelChoice& choice)
      : device(d),
        plain(choice.gemm == kRoofline),
        moe_name(checked(d, choice.moe, "moe")),
        gemm(d, "gemm", checked(d, choice.gemm, "gemm"), precision_names()),
        moe(with_generated_experts(d), "moe", moe_name, expert_variants(d)),
        context(d, "context_attention", checked(d, choice.attention, "attention"), pair_names()),
        decode(d, "generation_attention", checked(d, choice.attention, "attention"), pair_names()),
        context_mla(d, "context_mla", checked(d, choice.attention, "attention"), pair_names()),
        decode_mla(d, "generation_mla", checked(d, choice.attention, "attention"), pair_names()),
        router(measured<RouterModel>(d, plain, "router", "softmax")),
        rows_out(measured<PermuteModel>(d, plain, "permute", "out")),
        rows_back(measured<PermuteModel>(d, plain, "permute", "back")),
        dispatched(moe_name == "deepgemm" ? dispatched_models(d) : std::nullopt),
        copies(plain ? use_of_roofline("elementwise", std::string(kRoofline)) : use_of_copies(d)) {}

  // What prices a mixture layer, of few rows a group and of many (has_many_rows).
  struct OfMoe {
    const Family<MoeModel>::Answer &few, &many;
  };
  OfMoe moe_for(const MoeInput& x) const {
    if (dispatched && !x.routed && x.format.weights == Precision::FP8Block)
      return {dispatched->decode, dispatched->prefill};
    const auto& answer = moe.of(place_of(x.format.weights));
    return {answer, answer};
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
  Family<RouterModel>::Answer router;
  Family<PermuteModel>::Answer rows_out, rows_back;
  std::optional<Dispatched> dispatched;
  ModelUse copies;
};

KernelChoice resolve(const Device& device, const KernelChoice& choice) {
  const auto one = [&](const std::string& name, std::string_view what,
                       std::span<const std::string_view> kinds, std::string_view variant) {
    std::string asked = checked(device, name, what);
    if (asked == kRoofline) return asked;
    for (const FittedModel& model : device.fitted)
      if (model.implementation == asked && std::ranges::find(kinds, model.kind) != kinds.end())
        return asked;
    for (const std::string_view kind : kinds)
      if (const Chosen chosen = choose_fitted(device, kind, asked, variant); chosen.model)
        return chosen.model->implementation;
    return std::string(kRoofline);
  };
  constexpr std::array<std::string_view, 1> kGemm{"gemm"};
  constexpr std::array<std::string_view, 2> kMoe{"moe", "wideep_moe"};
  constexpr std::array<std::string_view, 4> kAttention{"generation_attention", "context_attention",
                                                       "generation_mla", "context_mla"};
  return {.gemm = one(choice.gemm, "gemm", kGemm, "bf16"),
          .moe = one(choice.moe, "moe", kMoe, "bf16"),
          .attention = one(choice.attention, "attention", kAttention, "bf16_bf16")};
}

Kernels::Kernels(const Device& device, const KernelChoice& choice)
    : models_(std::make_unique<const Models>(device, choice)) {}
Kernels::~Kernels() = default;
Kernels::Kernels(Kernels&&) noexcept = default;

KernelCost Kernels::gemm(const GemmShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, shape.precision, share);
  // Activations are quantised by a kernel of their own, unless they come so.
  const std::int64_t launches = is_quantised(shape.precision) && !shape.quantised ? 2 : 1;
  return with_launches(
      by<GemmModel>(models_->gemm.of(place_of(shape.precision)), shape, work_of(shape), rates, 1),
      launches);
}

KernelCost Kernels::grouped_gemm(const GroupedGemmShape& shape, DeviceShare share) const {
  const ExpertFormat format = expert_format(shape.precision, models_->device);
  const Rates rates = rates_of(models_->device, format.activations, share);
  const Work work = work_of(shape);
  MoeInput x;
  x.rows = group_rows(shape.rows);
  x.format = format;
  x.routed = false;
  const auto [few, many] = models_->moe_for(x);
  const auto& [model, use] = has_many_rows(x.rows) ? many : few;
  if (!model || x.rows.rows <= 0) return by_roofline(work, rates, 1, use);
  // One launch of the layer's two, without its sorting and streaming.
  x.hidden = static_cast<double>(shape.k);
  x.inter = static_cast<double>(shape.n);
  const Estimate e = model->estimate(x, rates);  // for its interval
  const double us = rates.launch + std::max(grouped_gemm_us(x.rows, x.inter, x.hidden, x.format,
                                                            rates, model->parameters()),
                                            least_us_of(work, rates));
  return cost_of(us, trust_of(e, &use), work, rates);
}

KernelCost Kernels::moe(const MoeShape& shape, DeviceShare share) const {
  return moe_costs(shape, share).of(shape.tokens, group_rows(shape.rows));
}

struct MoeCosts::State {
  // A fit, with the layer by it; none where the roofline must do.
  struct Fit {
    Fit(const Family<MoeModel>::Answer& one, const MoeInput& layer, const Rates& rates)
        : answer(one) {
      if (!one.model) return;
      whole_buffers = has_whole_buffers(one.model->model().implementation);
      by = layer_of(*one.model, layer, rates);
    }
    const Family<MoeModel>::Answer& answer;
    bool whole_buffers = false;
    std::optional<MoeLayer> by = {};
  };

  MoeShape shape;
  Rates rates;
  MoeInput input;
  Fit few, many;  // by rows of a group
};

MoeCosts Kernels::moe_costs(const MoeShape& layer, DeviceShare share) const {
  const ExpertFormat format = expert_format(layer.precision, models_->device);
  const Rates rates = rates_of(models_->device, format.activations, share);
  MoeShape shape = layer;
  shape.rows = {};
  const MoeInput input = input_of(shape, format);
  const auto [few, many] = models_->moe_for(input);
  return MoeCosts(
      std::make_unique<const MoeCosts::State>(MoeCosts::State{.shape = shape,
                                                              .rates = rates,
                                                              .input = input,
                                                              .few = {few, input, rates},
                                                              .many = {many, input, rates}}));
}

MoeCosts::MoeCosts(std::unique_ptr<const State> state) : state_(std::move(state)) {}
MoeCosts::~MoeCosts() = default;
MoeCosts::MoeCosts(MoeCosts&&) noexcept = default;
MoeCosts& MoeCosts::operator=(MoeCosts&&) noexcept = default;

KernelCost MoeCosts::of(std::int64_t tokens, const GroupRows& rows) const {
  const auto& [shape, rates, layer, few, many] = *state_;
  const auto& [answer, whole_buffers, by] = has_many_rows(rows) ? many : few;
  const Work work = work_of(shape, tokens, rows);
  // Two GEMMs and the activation; routing, permutation and finalize where rows come unsorted.
  const std::int64_t launches = moe_launches(shape);
  if (!by)
    return with_launches(by_roofline(work, rates, shape.routed ? 6 : 3, answer.use), launches);
  MoeInput x = layer;
  x.tokens = static_cast<double>(tokens);
  x.rows = rows;
  x.whole_buffers = whole_buffers;
  const Estimate e = answer.model->estimate(x, rates, by->us(x));
  return with_launches(cost_of(e.us, trust_of(e, &answer.use), work, rates), launches);
}

KernelCost Kernels::attention(const AttentionShape& shape, DeviceShare share) const {
  SIM_CHECK(shape.prompt || shape.query_length <= kMostDecodeQueries, "too many tokens to decode");
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  AttentionInput x{.shape = shape};
  if (shape.prompt)
    return by<ContextAttentionModel>(
        models_->context.of(place_of(shape.precision, shape.kv_precision)), x, work, rates, 1);
  const auto& answer = models_->decode.of(place_of(Precision::BF16, shape.kv_precision));
  if (answer.model) x.most_packed = most_packed_heads(answer.model->model().implementation);
  return by<DecodeAttentionModel>(answer, x, work, rates, 1);
}

KernelCost Kernels::mla(const MlaShape& shape, DeviceShare share) const {
  SIM_CHECK(shape.prompt || shape.query_length <= kMostDecodeQueries, "too many tokens to decode");
  const Rates rates = rates_of(models_->device, shape.precision, share);
  const Work work = work_of(shape);
  const MlaInput x{.shape = shape, .repeated = false};
  const std::size_t variant = place_of(Precision::BF16, shape.kv_precision);
  return shape.prompt ? by<ContextMlaModel>(models_->context_mla.of(variant), x, work, rates, 1)
                      : by<DecodeMlaModel>(models_->decode_mla.of(variant), x, work, rates, 1);
}

KernelCost Kernels::elementwise(const ElementwiseShape& shape, DeviceShare share) const {
  const Rates rates = rates_of(models_->device, Precision::BF16, share);
  const Work work = work_of(shape);
  const double launches = static_cast<double>(shape.launches);
  if (models_->plain) return by_roofline(work, rates, launches, models_->copies);
  const double us = launches * rates.launch + work.bytes / (rates.bandwidth * kCopyFraction);
  return with_launches(
      cost_of(us, trust_between(kCopyLow, kCopyHigh, models_->copies), work, rates),
      shape.launches);
}

KernelCost Kernels::router(const RouterShape& shape, DeviceShare share) const {
  const Work work = work_of(shape);
  if (!models_->router.model)
    return elementwise({.bytes = sim::Bytes(std::llround(work.bytes))}, share);
  const Rates rates = rates_of(models_->device, Precision::BF16, share);
  return by<RouterModel>(models_->router, shape, work, rates, 1);
}

bool Kernels::layer_chooses(Precision experts) const {
  const auto& model = models_->moe.of(place_of(experts)).model;
  return model && model->model().implementation.starts_with(kOurs);
}

bool Kernels::moves_rows() const {
  return models_->rows_out.model && models_->rows_back.model;
}

KernelCost Kernels::rows(const RowsShape& shape, DeviceShare share) const {
  SIM_CHECK(moves_rows(), "rows have fits");
  const Rates rates = rates_of(models_->device, Precision::BF16, share);
  return by<PermuteModel>(shape.back ? models_->rows_back : models_->rows_out, shape,
                          work_of(shape), rates, 1);
}

std::vector<const ModelUse*> Kernels::uses() const {
  std::vector<const ModelUse*> uses;
  const auto add = [&](const auto& family) {
    for (const auto& answer : family.answers()) uses.push_back(&answer.use);
  };
  add(models_->gemm);
  add(models_->moe);
  if (models_->dispatched) {
    uses.push_back(&models_->dispatched->decode.use);
    uses.push_back(&models_->dispatched->prefill.use);
  }
  add(models_->context);
  add(models_->decode);
  add(models_->context_mla);
  add(models_->decode_mla);
  const auto add_measured = [&](const auto& answer) {
    if (answer.model) uses.push_back(&answer.use);
  };
  add_measured(models_->router);
  add_measured(models_->rows_out);
  add_measured(models_->rows_back);
  uses.push_back(&models_->copies);
  return uses;
}

}  // namespace moesim::hardware
