// What a pass that puts weights' gradients off (W apart from B) keeps between the two: of every
// product what it read and the gradient of its result (arXiv 2401.10241, table 1:
// 32 bytes for each number of a GPT layer's width; deepseek-ai/DualPipe, WeightGradStore). Products
// that read the same keep it once. What is computed again for B is kept for W, too. Of router,
// embedding and head likewise; what a norm's weight reads is gone.
#pragma once

#include "workloads/memory/kept.h"
#include "workloads/memory/training_plan.h"

namespace moesim::workloads {

// Numbers of a layer, for each token of a rank (`divided` over tp, `replicated` not) or row of an
// expert; the other members are 0. Mixers that are not trained keep none.
Kept kept_for_weights(const LayerKind& kind, std::int64_t hidden, std::int64_t etp);

// Bytes of one micro-batch on the fullest GPU of a share of the model, its ends included.
double bytes_for_weights(const ModelSpec& model, const Parallelism& layout, const RankShare& share,
                         const TrainingLoad& load);

}  // namespace moesim::workloads
