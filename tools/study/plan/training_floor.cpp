#include "tools/study/plan/training_floor.h"

#include <algorithm>
#include <array>

#include "hardware/device.h"
#include "workloads/training/memory_plan.h"

namespace moesim::tools {
namespace {

using workloads::Deployment;
using workloads::ModelSpec;
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

}  // namespace

workloads::ScheduleTimes TrainingFloors::times_of(const Deployment& d,
                                                  const TrainingQuestion& q) const {
  const ModelSpec& model = d.model;
  const double head =
      model.head ? 2 * static_cast<double>(model.hidden) * static_cast<double>(model.vocab) : 0;
  const double tokens = static_cast<double>(q.micro_batch * q.sequence);
  const double rate = peak_ * static_cast<double>(d.layout.tp * d.layout.cp);
  const auto time = [&](double flops) {
    return sim::Duration(static_cast<std::int64_t>(flops * tokens / rate * 1e12));
  };
  workloads::ScheduleTimes times;
  for (const workloads::StageContent& stage : q.stages) {
    double weights = 0, core = 0;
    for (std::int64_t l = 0; l < stage.layers; ++l) {
      const TokenFlops& one = kinds_[model.layers[static_cast<std::size_t>(stage.first_layer + l)]];
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

TrainingFloor TrainingFloors::of(const Deployment& d, const TrainingQuestion& q) {
  if (kinds_.empty()) {
    for (std::size_t k = 0; k < d.model.kinds.size(); ++k)
      kinds_.push_back(layer_flops(d.model, k, q));
    peak_ = peak_of(d);
  }
  const ScheduleSketch& sketch = sketches_.of(q, d.layout);
  TrainingFloor floor;
  if (d.model.encoder_layers == 0)
    floor.step_s =
        sim::to_seconds(least_step(sketch, q.micro_batches(d.layout.dp), times_of(d, q)));
  const auto plan = workloads::memory_of(d, q, sketch.schedule, sketch.in_flight);
  floor.bytes = plan.gpu().peak();
  floor.capacity = plan.capacity;
  return floor;
}

TrainingFloor floor_of(const Deployment& d, const TrainingQuestion& q) {
  return TrainingFloors().of(d, q);
}

}  // namespace moesim::tools
