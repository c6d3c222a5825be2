#include "hardware/choose_fitted.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>
#include <vector>

namespace moesim::hardware {
namespace {

// Who stands in first for an implementation that a device has no fit for.
constexpr std::array<std::string_view, 8> kDonors{
    "trtllm", "flash_attention_3", "sglang", "vllm", "deepgemm", "moesim", "nccl", "deepep"};

// TensorRT-LLM's generated experts, and the one format that a public table has them in.
constexpr std::string_view kGenerated = "trtllm_gen", kGeneratedVariant = "w4a8_mxfp4_mxfp8";
// Their rows in fp8 blocks, as a part of the bandwidth. origin: inferred. No table has them; of
// CUTLASS 0.37. Prompts of 8,192 tokens of MiniMax-M2.5 under vLLM 0.19 on two and four B200 (12
// rows of TTFT) are off by -8 and +1 % with it and by -30 and -24 without; held out, of
// DeepSeek-V3 under TensorRT-LLM 1.2 by +3 for -27, of DeepSeek-R1 under SGLang by -13 for -31.
// In nvfp4 the same prompts miss nothing.
constexpr double kGeneratedBlockStreams = 0.13;

// What two implementations of the same work are apart, 90th percentile of |ln|. GEMM: public H100
// tables of three engines (aiconfigurator 095f58a5): bf16, the same library under all of them, 9 to
// 19 %; fp8_block 34 %; fp8, with other kernels that quantise, 58 %. The others: what one engine's
// fit misses another's table by, with its own fit taken out: decode attention of TensorRT-LLM and
// vLLM 56 and 130 %, experts of TensorRT-LLM and SGLang 41 and 64 %, the engines' all-reduce 12 to
// 39 %. Of other kinds there are no two tables: as experts.
double doubt_of_another(std::string_view kind, std::string_view variant) {
  if (kind == "generation_attention") return 0.7;
  if (kind == "custom_allreduce" || kind == "nccl" || kind.starts_with("deepep")) return 0.3;
  if (kind != "gemm") return 0.45;
  if (variant == "fp8" || variant == "int8") return 0.46;
  return variant == "fp8_block" ? 0.29 : 0.15;
}
// Another number format of the same kernels: its bytes and peaks are counted, what remains are the
// kernels' own efficiencies and their quantisation. GEMM, with a format's fit taken out: 75 to 160
// % (few rows, where fp8 waits for its quantisation), 42 to 76 % (many).
double doubt_of_format(std::string_view kind) {
  // An all-reduce in a graph and one by the host: SGLang's of H100 and B200 are 1.4 apart at the
  // median and 2.0 to 2.5 at the 90th percentile, vLLM's 1.1 and 1.6.
  if (kind == "custom_allreduce") return 2.0;
  // cuDNN in fp16 (2024) and in bf16 (9.19) on H100: 12 to 17 % apart at 16,384 keys.
  if (kind == "training_attention") return 0.2;
  return kind == "gemm" ? 0.8 : 0.45;
}

// Number formats that share kernels or their rates, the nearest first.
std::vector<std::string_view> near_variants(std::string_view variant) {
  if (variant == "fp16" || variant == "tf32" || variant == "fp32") return {"bf16"};
  if (variant == "fp8_block") return {"fp8", "bf16"};
  if (variant == "fp8" || variant == "int8") return {"fp8", "fp8_block", "bf16"};
  if (variant == "nvfp4" || variant == "mxfp4")
    return {"nvfp4", "mxfp4", "w4a8_mxfp4_mxfp8", "fp8", "fp8_block", "bf16"};
  // Widened on their way, to be multiplied in 16 bits, or in 8.
  if (variant == "int4") return {"w4a16_mxfp4", "bf16", "fp8", "fp8_block"};
  if (variant == "w4a16_mxfp4" || variant == "w4a16_nvfp4")
    return {"w4a16_mxfp4", "int4", "bf16", "w4a8_mxfp4_mxfp8", "fp8", "fp8_block"};
  if (variant == "w4a8_mxfp4_mxfp8") return {"nvfp4", "w4a16_mxfp4", "fp8", "fp8_block", "bf16"};
  if (variant == "bf16") return {"fp16", "fp8_block", "fp8"};
  // Attention: of queries and of the cache.
  if (variant == "bf16_fp8") return {"bf16_bf16", "fp8_fp8"};
  if (variant == "fp8_fp8") return {"bf16_fp8", "bf16_bf16"};
  if (variant == "fp8_bf16") return {"fp8_fp8", "bf16_bf16"};
  if (variant == "bf16_bf16") return {"bf16_fp8", "fp8_fp8"};
  // Attention of training: both formats of 16 bits have the same rates.
  if (variant == "bf16_forward") return {"fp16_forward"};
  if (variant == "bf16_backward") return {"fp16_backward"};
  if (variant == "fp16_forward") return {"bf16_forward"};
  if (variant == "fp16_backward") return {"bf16_backward"};
  if (variant.find('_') != std::string_view::npos && variant != "dispatch_internode" &&
      variant != "combine_internode")
    return {"bf16_bf16", "bf16_fp8", "fp8_fp8"};
  // The engines' all-reduce: a graph's replays, or launched by the host.
  if (variant == "eager") return {"graph"};
  if (variant == "graph") return {"eager"};
  return {};
}

}  // namespace

namespace {

// The names under which an implementation's kernels of a kind may be found.
std::vector<std::string_view> names_of(std::string_view kind, std::string_view implementation) {
  std::vector<std::string_view> names{implementation};
  if (kind == "context_attention" && (implementation == "vllm" || implementation == "sglang"))
    names.emplace_back("flash_attention_3");
  return names;
}

// Who stands in for an implementation, the nearest first.
std::vector<std::string_view> donors_of(const Device& device, std::string_view kind,
                                        std::string_view implementation, std::string_view variant) {
  std::vector<std::string_view> others;
  // FlashAttention's decode kernels are under vLLM, SGLang and most others; not TensorRT-LLM's own.
  if (kind == "generation_attention") others.emplace_back("vllm");
  // Triton's grouped GEMM is under vLLM's and SGLang's experts.
  if (kind == "moe" && implementation == "vllm" && variant != "fp8") others.emplace_back("sglang");
  others.insert(others.end(), kDonors.begin(), kDonors.end());
  for (const FittedModel& m : device.fitted)
    if (m.kind == kind) others.push_back(m.implementation);
  return others;
}

// Of the fits of the device's own generation, or of all.
Chosen choose(const Device& device, std::string_view kind, std::string_view implementation,
              std::string_view variant, bool any_generation) {
  const auto find = [&](std::string_view impl, std::string_view v) -> const FittedModel* {
    const FittedModel* found = find_fitted(device, kind, impl, v);
    return found && (any_generation || !found->other_generation) ? found : nullptr;
  };
  // Made of two fits (with_generated_experts).
  if (kind == "moe" && implementation == kGenerated) {
    if (const FittedModel* made = find(implementation, variant))
      return {made, variant != kGeneratedVariant, doubt_of_format(kind)};
  }
  // vLLM's Marlin, made for integers of four bits and used for mxfp4: its fit of those.
  if (kind == "moe" && implementation == "marlin") {
    if (const FittedModel* found = find("vllm", "int4"))
      return {found, variant != "int4", doubt_of_format(kind)};
  }
  const std::vector<std::string_view> names = names_of(kind, implementation);
  for (const std::string_view name : names)
    if (const FittedModel* exact = find(name, variant)) return {.model = exact};
  const std::vector<std::string_view> variants = near_variants(variant);
  const std::vector<std::string_view> others = donors_of(device, kind, implementation, variant);
  const double another = doubt_of_another(kind, variant);
  const auto own_of_near_variant = [&]() -> Chosen {
    for (const std::string_view v : variants)
      for (const std::string_view name : names)
        if (const FittedModel* near = find(name, v)) return {near, true, doubt_of_format(kind)};
    return {};
  };
  const auto of_another = [&]() -> Chosen {
    for (const std::string_view other : others)
      if (const FittedModel* near = find(other, variant)) return {near, true, another};
    return {};
  };
  // The host's launch, which a graph's replay has not, is worth more than whose kernel it is:
  // SGLang's and TensorRT-LLM's all-reduce in graphs are 0.04 to 0.09 apart at the median.
  const bool by_variant = kind == "custom_allreduce";
  const Chosen first = by_variant ? of_another() : own_of_near_variant();
  if (first.model) return first;
  const Chosen second = by_variant ? own_of_near_variant() : of_another();
  if (second.model) return second;
  for (const std::string_view other : others)
    for (const std::string_view v : variants)
      if (const FittedModel* near = find(other, v))
        return {near, true, std::hypot(another, doubt_of_format(kind))};
  return {};
}

}  // namespace

Chosen choose_fitted(const Device& device, std::string_view kind, std::string_view implementation,
                     std::string_view variant) {
  const Chosen own = choose(device, kind, implementation, variant, /*any_generation=*/false);
  return own.model ? own : choose(device, kind, implementation, variant, /*any_generation=*/true);
}

Device with_generated_experts(Device device) {
  const FittedModel* measured = find_fitted(device, "moe", "trtllm", kGeneratedVariant);
  if (!measured) return device;
  std::vector<FittedModel> made;
  for (const FittedModel& fit : device.fitted) {
    if (fit.kind != "moe" || fit.implementation != "trtllm" || fit.variant.starts_with("w4a16")) {
      continue;
    }
    FittedModel& one = made.emplace_back(fit);
    one.implementation = kGenerated;
    if (fit.variant == kGeneratedVariant) continue;
    for (const char* own :
         {"launch_us", "per_group_us", "prologue_us", "ramp_us", "ramp_scale_us"}) {
      one.parameters[own] = measured->parameters.at(own);
    }
    if (fit.variant == "fp8_block") one.parameters["stream_fraction"] = kGeneratedBlockStreams;
    one.residual = {};  // of the other kernels
  }
  device.fitted.insert(device.fitted.end(), made.begin(), made.end());
  return device;
}

ModelUse use_of(const FittedModel& model, std::string kind, std::string asked) {
  return {.kind = std::move(kind),
          .asked = std::move(asked),
          .used = model.implementation + (model.variant.empty() ? "" : " ") + model.variant,
          .axes = {},
          .provenance = model.provenance,
          .carried_from = model.carried_from,
          .other_generation = model.other_generation,
          .median_error_percent = model.median_error_percent,
          .p90_error_percent = model.p90_error_percent};
}

std::string fitted_list(const Device& device, std::string_view kind) {
  std::string list;
  for (const FittedModel& m : device.fitted) {
    if (m.kind != kind) continue;
    if (!list.empty()) list += ", ";
    list +=
        fmt::format("{} {}{}{}", m.kind, m.implementation, m.variant.empty() ? "" : " ", m.variant);
  }
  return list;
}

}  // namespace moesim::hardware
