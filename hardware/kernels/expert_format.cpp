#include "hardware/kernels/expert_format.h"

#include <array>
#include <utility>

namespace moesim::hardware {
namespace {

constexpr std::array<std::pair<std::string_view, ExpertFormat>, 3> kMixed{{
    {"w4a16_mxfp4", {Precision::MXFP4, Precision::BF16}},
    {"w4a8_mxfp4_mxfp8", {Precision::MXFP4, Precision::FP8}},
    {"w4a16_nvfp4", {Precision::NVFP4, Precision::BF16}},
}};

}  // namespace

ExpertFormat expert_format(Precision weights, const Device& device) {
  const bool fp8 = weights == Precision::FP8 || weights == Precision::FP8Block;
  if (fp8 && !device.peak.contains(Precision::FP8)) return {weights, Precision::BF16};
  if (weights != Precision::MXFP4 && weights != Precision::NVFP4) return weights;
  if (!device.peak.contains(weights)) return {weights, Precision::BF16};
  return weights == Precision::MXFP4 ? ExpertFormat{weights, Precision::FP8} : weights;
}

std::string variant_of(ExpertFormat format) {
  for (const auto& [name, mixed] : kMixed)
    if (mixed.weights == format.weights && mixed.activations == format.activations)
      return std::string(name);
  return std::string(name_of(format.weights));
}

std::optional<ExpertFormat> parse_expert_format(std::string_view text) {
  for (const auto& [name, mixed] : kMixed)
    if (name == text) return mixed;
  return {};
}

std::vector<std::string> expert_variants(const Device& device) {
  std::vector<std::string> variants;
  for (const Precision p : kPrecisions) variants.push_back(variant_of(expert_format(p, device)));
  return variants;
}

}  // namespace moesim::hardware
