#include "workloads/training/step_loads.h"

#include <numeric>

#include "sim/check.h"
#include "workloads/training/operations.h"
#include "workloads/training/pipeline_step.h"

namespace moesim::workloads {
namespace {

void add(const std::vector<std::uint64_t>& from, std::int64_t times,
         std::vector<std::uint64_t>& to) {
  to.resize(from.size());
  for (std::size_t i = 0; i < from.size(); ++i)
    to[i] += static_cast<std::uint64_t>(times) * from[i];
}

}  // namespace

StepLoads loads_of(const Deployment& deployment, const TrainingQuestion& question,
                   ChunkTable& chunks) {
  std::map<std::int64_t, LayerLoad> layers;
  StepLoads loads;
  const auto taken = draws_taken(deployment, question, chunks.draws());
  const std::int64_t aligned = aligned_to(deployment.kernels, deployment.formats);
  for (std::uint32_t stage = 0; stage < question.stages.size(); ++stage) {
    for (const auto& [draw, times] : taken) {
      const ChunkTable::StageLoads one = chunks.loads(stage, draw);
      loads.dropped += times * one.dropped;
      for (const LayerLoad& layer : one.layers) {
        LayerLoad& sum = layers[layer.layer];
        sum.layer = layer.layer;
        add(layer.expert_counts, times, sum.expert_counts);
        add(layer.rank_rows, times, sum.rank_rows);
        for (const std::uint64_t count : layer.expert_counts) {
          const auto rows = static_cast<std::int64_t>(count);
          loads.aligning += times * (filled_up(rows, aligned) - rows);
        }
      }
    }
  }
  for (auto& [number, layer] : layers) {
    loads.rows += static_cast<std::int64_t>(
        std::accumulate(layer.rank_rows.begin(), layer.rank_rows.end(), std::uint64_t{0}));
    loads.layers.push_back(std::move(layer));
  }
  return loads;
}

FilledCapacity filled_capacity(const Deployment& deployment, TrainingQuestion question,
                               const StepLoads& filled) {
  SIM_CHECK(question.is_filled(), "a capacity that is not filled up");
  question.fills_capacity = false;
  ChunkTable chosen(deployment, question);
  const StepLoads loads = loads_of(deployment, question, chosen);
  return {.kept = loads.rows,
          .dropped = loads.dropped,
          .padding = filled.rows - loads.rows,
          .routing = chosen.routing()};
}

}  // namespace moesim::workloads
