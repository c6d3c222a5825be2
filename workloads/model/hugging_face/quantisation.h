// What a checkpoint's quantisation block says of the weights, part by part.
#pragma once

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Reads `block`, the value of quantization_config; model.stored starts as the plain dtype. The
// config itself has DeepSeek-V4's expert_dtype. Notes mistakes; an unknown method is one.
void read_hf_quantisation(const HfConfig& block, const HfConfig& config, ModelSpec& model);

// ModelOpt's second file, hf_quant_config.json.
void read_modelopt_file(const HfConfig& file, ModelSpec& model);

// Whether `pattern` of a list such as modules_to_not_convert names the module: a whole name, the
// name of what holds it, a glob ("model.layers.*.self_attn*"), or "re:" and a regular expression,
// which is read as globs: repeated pieces as stars, (a|b) as alternatives.
bool names_module(std::string_view pattern, std::string_view module);

}  // namespace moesim::workloads
