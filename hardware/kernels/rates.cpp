#include "hardware/kernels/rates.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"

namespace moesim::hardware {
namespace {

// H100 SXM, dense: 989.4 TFLOP/s in 16 bits over 132 multiprocessors, twice that in 8 and half in
// TF32. FLOP a microsecond.
double reference_of(Precision precision) {
  constexpr double kSixteenBits = 989.4e6 / 132;
  switch (precision) {
    case Precision::FP64:
    case Precision::FP32:
      return kSixteenBits / 16;
    case Precision::TF32:
      return kSixteenBits / 2;
    case Precision::BF16:
    case Precision::FP16:
    case Precision::INT4:  // computes in 16 bits: peak_rate()
      return kSixteenBits;
    default:
      return kSixteenBits * 2;
  }
}

}  // namespace

Rates rates_of(const Device& device, Precision precision, DeviceShare share) {
  SIM_CHECK(share.multiprocessors > 0 && share.multiprocessors <= 1,
            "a kernel has a part of the multiprocessors in (0, 1]");
  SIM_CHECK(share.bandwidth > 0 && share.bandwidth <= 1,
            "a kernel has a part of the memory's bandwidth in (0, 1]");
  constexpr double kPerMicrosecond = 1e-6;
  const double whole = static_cast<double>(device.multiprocessors);
  // Multiprocessors are whole; the arithmetic goes with them.
  const double sms = std::max(1.0, std::floor(whole * share.multiprocessors + 1e-9));
  return {
      .multiprocessors = sms,
      .peak = peak_rate(device, precision).flop_per_second() * kPerMicrosecond * sms / whole,
      .reference = reference_of(precision),
      .bandwidth = device.memory_bandwidth.bytes_per_second() * kPerMicrosecond * share.bandwidth,
      .l2 = static_cast<double>(device.l2.count()),
      .launch = sim::to_us(device.launch_latency),
      .link = device.scale_up.bytes_per_second() * kPerMicrosecond,
      .network = device.scale_out.bytes_per_second() * kPerMicrosecond};
}

}  // namespace moesim::hardware
