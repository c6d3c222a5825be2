// Where in a config.json the text model is, and of what type it is: models of several senses keep
// it in an object within, or two levels down.
#pragma once

#include <string>
#include <vector>

#include "workloads/model/hugging_face/config.h"

namespace moesim::workloads {

// From the outermost object to the one with the text model's widths; `root` alone where that is it.
// Objects of the usual names are followed (text_config, thinker_config, ...); where there is none,
// the only object within that has the keys of a text model.
std::vector<HfConfig> text_model_levels(const HfConfig& root);

// The innermost level's model_type; where it has none, what its architectures name, and then the
// next outer level's. Empty: nobody says.
std::string type_of(const std::vector<HfConfig>& levels);

}  // namespace moesim::workloads
