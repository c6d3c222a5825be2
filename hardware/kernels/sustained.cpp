#include "hardware/kernels/sustained.h"

namespace moesim::hardware {
namespace {

constexpr double kForSeconds = 1612.512, kInATiming = 1403.2;  // us
constexpr double kClockForSeconds = 1560, kTopClock = 1980;    // MHz
// Dense FLOP/s in 16 bits from which a product fills 700 W: H100, H800, H200 have 989e12, an H20
// 148.
constexpr double kFills = 700e12;

bool meets_its_limit(const Device& device, Precision precision) {
  return device.generation == "hopper" && precision == Precision::BF16 &&
         peak_rate(device, precision).flop_per_second() >= kFills;
}

}  // namespace

double sustained_slowdown(const Device& device, Precision precision) {
  return meets_its_limit(device, precision) ? kForSeconds / kInATiming : 1;
}

double brief_slowdown(const Device& device, Precision precision) {
  return sustained_slowdown(device, precision) *
         (meets_its_limit(device, precision) ? kClockForSeconds / kTopClock : 1);
}

}  // namespace moesim::hardware
