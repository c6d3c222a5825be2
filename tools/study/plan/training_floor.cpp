#include "tools/study/plan/training_floor.h"

#include <algorithm>
#include <array>

#include "hardware/device.h"
#include "workloads/model/counts.h"
#include "workloads/training/memory_plan.h"
#include "workloads/training/play_schedule.h"
#include "workloads/training/step_time.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;
using workloads::ModelSpec;
using workloads::ScheduleName;
using workloads::TokenFlops;
using workloads::TrainingQuestion;

double peak_of(const Deployment& d) {
  double most = 0;
  const auto& f = d.formats;
  for (const auto format : {f.other, f.experts, f.shared_experts, f.attention, f.dense_ffn,
                            f.activations, hardware::Precision::BF16})
    most = std::max(most, hardware::peak_rate(d.cluster.device, format).flop_per_second());
  return most;
}

// A layer of that kind, forward: what two of them have more than one.
TokenFlops layer_flops(const ModelSpec& model, std::size_t kind, const TrainingQuestion& q) {
  ModelSpec one = model, two = model;
  one.layers = {kind};
  two.layers = {kind, kind};
  TokenFlops flops = workloads::prefill_flops(two, q.sequence, true);
  const TokenFlops rest = workloads::prefill_flops(one, q.sequence, true);
  flops.weights -= rest.weights;
  flops.attention -= rest.attention;
  const auto params = workloads::layer_params(model.kinds[kind], model.hidden);
  flops.weights -= 2 * static_cast<double>(params.router);
  // A capacity leaves an expert so many rows.
  if (q.capacity && *q.capacity < 1)
    flops.weights -= (1 - *q.capacity) * 2 * static_cast<double>(params.active_experts) *
                     static_cast<double>(params.expert);
  return flops;
}

workloads::ScheduleTimes least_times(const Deployment& d, const TrainingQuestion& q) {
  const ModelSpec& model = d.model;
  std::vector<TokenFlops> kinds;
  for (std::size_t k = 0; k < model.kinds.size(); ++k) kinds.push_back(layer_flops(model, k, q));
  const double head =
      model.head ? 2 * static_cast<double>(model.hidden) * static_cast<double>(model.vocab) : 0;
  const double tokens = static_cast<double>(q.micro_batch * q.sequence);
  const double rate = peak_of(d) * static_cast<double>(d.layout.tp * d.layout.cp);
  const auto time = [&](double flops) {
    return sim::Duration(static_cast<std::int64_t>(flops * tokens / rate * 1e12));
  };
  workloads::ScheduleTimes times;
  for (const workloads::StageContent& stage : q.stages) {
    double weights = 0, core = 0;
    for (std::int64_t l = 0; l < stage.layers; ++l) {
      const TokenFlops& one = kinds[model.layers[static_cast<std::size_t>(stage.first_layer + l)]];
      weights += one.weights;
      core += one.attention;
    }
    const double again = q.recompute.full ? weights + core : 0;
    if (stage.loss) weights += head;
    workloads::StageTimes& passes = times.stages.emplace_back();
    passes.forward = time(weights + core);
    passes.backward_input = time(weights + 2 * core + again);
    passes.backward_weight = time(weights);
    passes.backward = passes.backward_input + passes.backward_weight;
  }
  return times;
}

}  // namespace

TrainingFloor floor_of(const Deployment& d, const TrainingQuestion& q) {
  const workloads::PipelineSchedule schedule =
      workloads::make_schedule(workloads::schedule_name(q), workloads::shape_of(q, d.layout));
  const bool bounded = d.model.encoder_layers == 0;
  workloads::ScheduleTimes times;
  if (bounded)
    times = least_times(d, q);
  else
    times.stages.resize(q.stages.size());
  const workloads::PlayedSchedule played = workloads::play(schedule, times);
  const bool fixed = workloads::schedule_name(q) != ScheduleName::ZbV;
  sim::Duration step{};
  std::vector<double> in_flight;
  for (std::uint32_t r = 0; r < schedule.size(); ++r) {
    step = std::max(step, played.busy(r));
    const auto chunks = fixed ? played.most_in_flight(r, false) : 1;
    in_flight.push_back(static_cast<double>(chunks) / schedule.chunks);
  }
  const auto plan = workloads::memory_of(d, q, schedule, in_flight);
  return {.step_s = bounded ? sim::to_seconds(fixed ? played.step : step) : 0,
          .bytes = plan.gpu().peak(),
          .capacity = plan.capacity};
}

}  // namespace moesim::tools
