#include "tools/study/plan/lost_capacity.h"

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "workloads/deployment/elastic.h"
#include "workloads/step/player.h"

namespace moesim::tools {

using workloads::Deployment;

LostCapacity lost_capacity(const Deployment& d,
                           const std::function<double(const Deployment&)>& measure) {
  LostCapacity lost;
  if (!d.model.is_moe() || !workloads::elastic_problem(d, 1).empty()) return lost;
  // Which experts are where hangs on loads alone: those of any batch.
  constexpr std::int64_t kSequences = 64;
  const workloads::StepPlayer player(
      d, {.fullest = workloads::on_every_rank({workloads::decoding(kSequences, 1)})});
  const workloads::Survival survival = *player.survival();
  std::vector<std::uint32_t> ranks;
  const auto carried = [&](double survived) -> double {
    ranks.insert(ranks.begin(), static_cast<std::uint32_t>(d.layout.ep) - 1 -
                                    static_cast<std::uint32_t>(ranks.size()));
    if (survived == 0 || !workloads::elastic_problem(d, ranks.size()).empty()) return 0;
    try {
      return survived * measure(workloads::without_gpus(d, ranks));
    } catch (const sim::InfeasibleError&) {
      return 0;  // an expert was on these GPUs alone
    }
  };
  lost.one = carried(survival.one_gpu);
  lost.two = carried(survival.two_gpus);
  return lost;
}

sim::io::Json to_json(const Losses& losses, const Reliability& reliability) {
  sim::io::Json lost = sim::io::Json::array();
  for (std::size_t gone = 0; gone < losses.probability.size(); ++gone) {
    lost.push_back({{"gpus", gone},
                    {"probability", losses.probability[gone]},
                    {"capacity_per_s", losses.capacity[gone]}});
  }
  return {{"lost", lost},
          {"available", losses.available},
          {"goodput_per_s", losses.goodput},
          {"gpu_hours_to_a_stop", reliability.gpu_hours},
          {"restart_s", reliability.restart_h * 3600},
          {"recovery_s", reliability.recovery_h * 3600},
          {"source", reliability.source}};
}

}  // namespace moesim::tools
