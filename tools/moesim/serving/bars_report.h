// What measured engines say where the bars are set (validation/serving/e2e_bars.h).
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::tools {

std::string bars_text(const std::vector<validation::E2ePrediction>& predictions);

// {generations: {Hopper: {must, bias_must, tpot, by_engine: {ENGINE: {...}}}, Blackwell: {...}},
// cache_binds: {must, throughput, ttft}}: errors, each with `met`, which is null of no row
sim::io::Json bars_json(const std::vector<validation::E2ePrediction>& predictions);

}  // namespace moesim::tools
