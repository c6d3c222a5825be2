#include "workloads/training/training_flops.h"

#include "sim/check.h"
#include "workloads/model/counts.h"

namespace moesim::workloads {

TrainingFlops training_flops(const ModelSpec& model, std::int64_t tokens,
                             std::int64_t predictions) {
  SIM_CHECK(predictions <= model.prediction_layers, "more prediction layers than the model has");
  ModelSpec trained = model;
  for (std::int64_t i = 0; i < predictions; ++i) trained.layers.push_back(model.prediction_kind);
  double forward = training_flops(trained, tokens) / 3;
  for (const std::size_t kind : trained.layers) {
    const LayerParams params = layer_params(trained.kinds[kind], model.hidden);
    forward -= 2 * static_cast<double>(params.router);
  }
  const auto hidden = static_cast<double>(model.hidden);
  // Two vectors made one, and the head again.
  const double each =
      4 * hidden * hidden + (model.head ? 2 * hidden * static_cast<double>(model.vocab) : 0);
  forward += static_cast<double>(predictions) * each;
  // Of n keys a token sees (n + 1) / 2 on average; a window's layers see no more without a mask.
  const double core = prefill_flops(trained, tokens, true).attention;
  const auto n = static_cast<double>(tokens);
  return {.model_causal = 3 * forward, .model_full = 3 * (forward + core * (n - 1) / (n + 1))};
}

}  // namespace moesim::workloads
