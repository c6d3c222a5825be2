// Fitted models as the YAML file that a device names under `fitted:`.
#pragma once

#include <span>
#include <string>

#include "hardware/device.h"

namespace moesim::validation {

// `header` becomes comment lines at the top: the command that made the file.
std::string fitted_to_yaml(std::span<const hardware::FittedModel> models,
                           const std::string& header);

// `models` with those of `fresh` in place of the ones of the same kind, implementation and variant.
std::vector<hardware::FittedModel> merged(std::vector<hardware::FittedModel> models,
                                          std::span<const hardware::FittedModel> fresh);

}  // namespace moesim::validation
