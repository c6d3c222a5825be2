// Reads Hugging Face's config.json: every spelling of the mixture models it holds.
//
// What the file does not say and the model's type implies (Llama 4's shared expert) is filled in
// and told in ModelSpec::notes. What is not supported is an error that names the key; an unknown
// model_type is read by its keys where they are enough, and noted, and refused where they are not.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Throws ConfigError (a key that is missing, of the wrong type, out of range, or not supported),
// InputError where the file is no JSON or over 64 MiB. Of files beside it hf_quant_config.json
// (ModelOpt's) is read, too, or quant_config.json (AutoAWQ's), quantize_config.json (AutoGPTQ's).
ModelSpec import_hugging_face(const std::filesystem::path& file);

// `quantisation`: the text of hf_quant_config.json, or empty.
ModelSpec parse_hugging_face(std::string_view text, const std::string& name,
                             std::string_view quantisation = {});

}  // namespace moesim::workloads
