// In which number format the weights of a mixture layer lie, and in which they are computed with.
//
// Where a device has no units for a format the kernels widen the weights in registers: mxfp4 on
// Hopper is w4a16, activations and products in 16 bits at 16-bit rates. Where it has them the
// activations are narrow, too: mxfp4 on Blackwell is w4a8, with MXFP8 activations, at the rate of 8
// bits (the tensor cores take both formats at once). Fits of kind "moe" are apart by it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "hardware/precision.h"

namespace moesim::hardware {

struct ExpertFormat {
  Precision weights = Precision::BF16;
  Precision activations = Precision::BF16;  // and the unit that multiplies

  constexpr ExpertFormat() = default;
  // Both alike; int4 is of weights alone.
  constexpr ExpertFormat(Precision p)
      : weights(p), activations(p == Precision::INT4 ? Precision::BF16 : p) {}
  constexpr ExpertFormat(Precision w, Precision a) : weights(w), activations(a) {}

  // Whether weights are made wider on their way to the units.
  constexpr bool widened() const { return weights != activations; }
};

// What engines run for weights in that format on that device.
ExpertFormat expert_format(Precision weights, const Device& device);

// A fit's variant: "bf16", "fp8_block", "int4", "w4a16_mxfp4", "w4a8_mxfp4_mxfp8", "w4a16_nvfp4".
std::string variant_of(ExpertFormat format);
// The format that public tables call so where it says both sides: "w4a16_mxfp4",
// "w4a8_mxfp4_mxfp8", "w4a16_nvfp4"; none for a name of weights alone.
std::optional<ExpertFormat> parse_expert_format(std::string_view text);

// The variants of all formats on a device, in the order of kPrecisions.
std::vector<std::string> expert_variants(const Device& device);

}  // namespace moesim::hardware
