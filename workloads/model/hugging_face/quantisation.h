// What a checkpoint's quantisation block says of the weights, part by part.
#pragma once

#include <string>

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Reads `block`, the value of quantization_config; model.stored starts as the plain dtype. The
// config itself has DeepSeek-V4's expert_dtype. Notes mistakes: a method or an algorithm that is
// named and not known is one, and never 16 bits. `second`: ModelOpt's second file is read after it
// and says what this block's algorithm gives to which matrices.
void read_hf_quantisation(const HfConfig& block, const HfConfig& config, bool second,
                          ModelSpec& model);

// ModelOpt's second file, hf_quant_config.json.
void read_modelopt_file(const HfConfig& file, ModelSpec& model);

// "modelopt", "fp8", ...: what the block calls itself or, where it does not, what its keys are of.
std::string quantisation_method(const HfConfig& block);

}  // namespace moesim::workloads
