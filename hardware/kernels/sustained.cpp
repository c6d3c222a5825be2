#include "hardware/kernels/sustained.h"

namespace moesim::hardware {
namespace {

constexpr double kForSeconds = 1612.512, kForAMoment = 1403.2;  // us
// Dense FLOP/s in 16 bits from which a product fills 700 W: H100, H800, H200 have 989e12, an H20
// 148.
constexpr double kFills = 700e12;

}  // namespace

double sustained_slowdown(const Device& device, Precision precision) {
  if (device.generation != "hopper" || precision != Precision::BF16) return 1;
  if (peak_rate(device, precision).flop_per_second() < kFills) return 1;
  return kForSeconds / kForAMoment;
}

}  // namespace moesim::hardware
