// What measured engines say of plans, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::tools {

std::string accuracy_text(const std::vector<validation::E2ePrediction>& predictions);

// {rows: [{what, n, value, must, met}], by_model: {MODEL: [...]}, capacity: {error, beyond,
// by_group}}
sim::io::Json accuracy_json(const std::vector<validation::E2ePrediction>& predictions);

}  // namespace moesim::tools
