#include "workloads/report/energy.h"

#include <utility>

#include "workloads/report/power_use.h"

namespace moesim::workloads {

hardware::PowerUse use_of(const Report& report, const Deployment& d) {
  PhaseWork done;
  for (std::size_t i = 0; i < kPhases; ++i) {
    done.flops[i] = report.phases[i].flops;
    done.bytes[i] = report.phases[i].memory_bytes;
  }
  return power_use(done, static_cast<double>(report.gpus), report.step_time_us.mean * 1e-6,
                   d.cluster.device, d.formats);
}

std::optional<EnergyReport> energy_of(const Report& report, const Deployment& d,
                                      std::string_view tokens, double works) {
  auto card = hardware::chosen_power(d.cluster.device.power, d.power);
  if (!card) return {};
  EnergyReport energy{.tokens = tokens,
                      .error = card->error,
                      .origin = card->stand_ins.empty() ? "fitted" : "assumed",
                      .source = card->source,
                      .stand_ins = std::move(card->stand_ins)};
  energy.gpu_w =
      card->idle_w + works * (hardware::power_of(*card, use_of(report, d)) - card->idle_w);
  const auto gpus = static_cast<double>(report.gpus);
  energy.total_w = d.power.pue * gpus * (energy.gpu_w + d.power.host_w);
  energy.gpu_j_per_token = gpus * energy.gpu_w / report.tokens_per_s;
  energy.total_j_per_token = energy.total_w / report.tokens_per_s;
  if (d.power.host_w == 0) {
    energy.stand_ins.emplace_back("hosts and network draw nothing (power: {host: 350 W})");
  }
  return energy;
}

}  // namespace moesim::workloads
