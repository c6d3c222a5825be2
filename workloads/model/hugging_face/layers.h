// The layers of a Hugging Face config: which mixer and which FFN each has.
#pragma once

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/hugging_face/families.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Fills kinds, layers, other_params and notes of `model`, whose hidden width and number of layers
// were read. `family`: null where the type is not known. Notes mistakes in `config`.
void read_hf_layers(const HfConfig& config, const HfFamily* family, std::int64_t layers,
                    ModelSpec& model);

// T5 and Switch Transformers: an encoder and a decoder.
void read_hf_t5(const HfConfig& config, bool mixture, ModelSpec& model);

}  // namespace moesim::workloads
