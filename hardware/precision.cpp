#include "hardware/precision.h"

#include <cstddef>

namespace moesim::hardware {

std::optional<Precision> parse_precision(std::string_view text) {
  for (const Precision p : kPrecisions) {
    if (text == name_of(p)) return p;
  }
  if (text == "bfloat16") return Precision::BF16;
  if (text == "float16" || text == "half") return Precision::FP16;
  if (text == "float32" || text == "float") return Precision::FP32;
  return {};
}

double bytes_per_element(Precision p) {
  switch (p) {
    case Precision::FP64:
      return 8;
    case Precision::FP32:
    case Precision::TF32:
      return 4;
    case Precision::BF16:
    case Precision::FP16:
      return 2;
    case Precision::FP8:
    case Precision::INT8:
      return 1;
    case Precision::FP8Block:
      return 1 + 4.0 / (128 * 128);
    case Precision::INT4:
      return 0.5;
    case Precision::MXFP4:
      return 0.5 + 1.0 / 32;
    case Precision::NVFP4:
      return 0.5 + 1.0 / 16;
  }
  return 0;
}

}  // namespace moesim::hardware
