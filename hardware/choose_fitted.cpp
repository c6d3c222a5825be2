#include "hardware/choose_fitted.h"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace moesim::hardware {
namespace {

constexpr std::array<std::string_view, 5> kImplementations{"trtllm", "sglang", "vllm", "deepgemm",
                                                           "moesim"};

// Number formats that share kernels or their rates, the nearest first.
std::vector<std::string_view> near_variants(std::string_view variant) {
  if (variant == "fp16" || variant == "tf32" || variant == "fp32") return {"bf16"};
  if (variant == "fp8_block") return {"fp8", "bf16"};
  if (variant == "fp8" || variant == "int8") return {"fp8", "fp8_block", "bf16"};
  if (variant == "nvfp4" || variant == "mxfp4") return {"nvfp4", "mxfp4", "fp8", "fp8_block"};
  if (variant == "int4") return {"fp8", "bf16"};
  if (variant == "bf16") return {"fp16"};
  // Attention: of queries and of the cache.
  if (variant == "bf16_fp8") return {"bf16_bf16", "fp8_fp8"};
  if (variant == "fp8_fp8") return {"bf16_fp8", "bf16_bf16"};
  if (variant == "fp8_bf16") return {"fp8_fp8", "bf16_bf16"};
  return {};
}

}  // namespace

Chosen choose_fitted(const Device& device, std::string_view kind, std::string_view implementation,
                     std::string_view variant) {
  if (const FittedModel* exact = find_fitted(device, kind, implementation, variant))
    return {exact, false};
  const std::vector<std::string_view> variants = near_variants(variant);
  for (const std::string_view v : variants)
    if (const FittedModel* near = find_fitted(device, kind, implementation, v)) return {near, true};
  for (const std::string_view other : kImplementations)
    if (const FittedModel* near = find_fitted(device, kind, other, variant)) return {near, true};
  for (const std::string_view other : kImplementations)
    for (const std::string_view v : variants)
      if (const FittedModel* near = find_fitted(device, kind, other, v)) return {near, true};
  return {};
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
