// What a quantisation's block says beside the formats of the weights.
#pragma once

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// A head that is quantised, weights that are sparse, keys that nobody reads and that may have a
// bearing on what weights take: each a line of model.notes. After all of the block was read.
void note_what_is_not_counted(const HfConfig& block, ModelSpec& model);

}  // namespace moesim::workloads
