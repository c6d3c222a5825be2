#include "workloads/report/power_use.h"

namespace moesim::workloads {
namespace {

hardware::Precision format_of(Phase phase, const Formats& formats) {
  // Weights of four bits are widened before they are multiplied.
  const auto multiplied = [](hardware::Precision weights) {
    return weights == hardware::Precision::INT4 ? hardware::Precision::BF16 : weights;
  };
  switch (phase) {
    case Phase::Experts:
      return multiplied(formats.experts);
    case Phase::SharedExpert:
      return multiplied(formats.shared_experts);
    case Phase::DenseMlp:
      return multiplied(formats.dense_ffn);
    case Phase::Attention:
      return multiplied(formats.attention);
    default:
      return hardware::Precision::BF16;
  }
}

}  // namespace

hardware::PowerUse power_use(const PhaseWork& work, double gpus, double seconds,
                             const hardware::Device& device, const Formats& formats) {
  hardware::PowerUse use{.busy = 1};
  for (std::size_t i = 0; i < kPhases; ++i) {
    use.memory += work.bytes[i] / device.memory_bandwidth.bytes_per_second();
    const auto peak = hardware::peak_rate(device, format_of(static_cast<Phase>(i), formats));
    if (peak.flop_per_second() > 0) use.compute += work.flops[i] / peak.flop_per_second();
  }
  use.memory /= gpus * seconds;
  use.compute /= gpus * seconds;
  return use;
}

}  // namespace moesim::workloads
