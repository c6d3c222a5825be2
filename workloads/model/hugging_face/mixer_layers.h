// The token mixers of a Hugging Face config, layer by layer.
#pragma once

#include <string>
#include <vector>

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/hugging_face/families.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

struct NamedMixer {
  std::string name;  // equal names: equal mixers
  Mixer mixer;
};

// The mixer of each layer; empty after a mistake. Notes mistakes in `config`, what is assumed in
// model.notes.
std::vector<NamedMixer> read_hf_mixers(const HfConfig& config, const HfFamily* family,
                                       std::int64_t layers, ModelSpec& model);

}  // namespace moesim::workloads
