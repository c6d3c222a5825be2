// Engines and options side by side, under loads that rows give: is the order right?
#pragma once

#include <string>
#include <vector>

#include "validation/choices.h"
#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

enum class Beside {
  All,        // whatever was measured of a model on a system under one load
  OneEngine,  // of one engine and version: its options, formats, layouts
};

struct OptionPairs {
  RankedPairs throughput, tpot, ttft;  // pairs whose measured values differ by more than 5 %
};

// Of repeats of one option the first counts; of rows that did not fail.
OptionPairs option_pairs(const std::vector<E2ePrediction>& predictions, Beside beside);

}  // namespace moesim::validation
