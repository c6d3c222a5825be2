// Number formats, by the names that model files and measured tables use.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace moesim::hardware {

enum class Precision { FP64, FP32, TF32, BF16, FP16, FP8, FP8Block, INT8, INT4, MXFP4, NVFP4 };

inline constexpr std::array kPrecisions{Precision::FP64,     Precision::FP32, Precision::TF32,
                                        Precision::BF16,     Precision::FP16, Precision::FP8,
                                        Precision::FP8Block, Precision::INT8, Precision::INT4,
                                        Precision::MXFP4,    Precision::NVFP4};

// "bf16", "fp8_block", …; in the order of kPrecisions.
inline constexpr std::array<std::string_view, 11> kPrecisionNames{
    "fp64", "fp32", "tf32", "bf16", "fp16", "fp8", "fp8_block", "int8", "int4", "mxfp4", "nvfp4"};

constexpr std::string_view name_of(Precision p) {
  return kPrecisionNames[static_cast<std::size_t>(p)];
}

// Also reads the tables' spellings: bfloat16, half, float16, float32.
std::optional<Precision> parse_precision(std::string_view text);

// Bytes an element of a weight takes in memory, its share of the block scales included: fp8_block
// has an fp32 scale for 128 x 128 (DeepSeek-V3 report, 3.3.2), mxfp4 a byte for 32 (OCP
// Microscaling 1.0), nvfp4 a byte for 16 (NVIDIA Blackwell documentation).
double bytes_per_element(Precision p);

}  // namespace moesim::hardware
