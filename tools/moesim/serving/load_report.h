// Measured engines whose tables say what was sent: what is predicted of them, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::tools {

struct LoadReport {
  std::vector<validation::E2ePrediction> predictions = {};
  std::vector<validation::SkippedRows> skipped = {};
};

std::string load_text(const LoadReport& report);
// {n, tpot, ttft, throughput, by: {engine: {NAME: {tpot, ttft, throughput}}}, pairs, skipped, rows}
sim::io::Json load_json(const LoadReport& report);

}  // namespace moesim::tools
