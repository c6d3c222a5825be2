// FLOP a token of training, by the conventions that MFU is counted in.
//
//   model_causal  three times the forward GEMMs, the attention core with the keys that the mask
//                 leaves, head once and once more for each prediction layer that is trained
//                 (Megatron-LM training.py: num_floating_point_operations); no router, no
//                 recomputation
//   model_full    the same with every key of the sequence, as if there were no mask
//                 (DeepSeek, arXiv 2505.09343 table 4)
//
// What the hardware computes, recomputation included, is summed from the kernels of a step.
#pragma once

#include <cstdint>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

struct TrainingFlops {
  double model_causal = 0, model_full = 0;  // a token
};

// Of a token of a sequence of `tokens`. REQUIRES: no more prediction layers than the model has
TrainingFlops training_flops(const ModelSpec& model, std::int64_t tokens, std::int64_t predictions);

}  // namespace moesim::workloads
