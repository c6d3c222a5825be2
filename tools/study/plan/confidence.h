// How sure a plan is: validation's, which also asks measured engines whether it comes true.
#pragma once

#include "validation/confidence.h"

namespace moesim::tools {

using validation::capacity_for;
using validation::deviation_of;
using validation::EngineCapacity;
using validation::kServingStructure;
using validation::kStepStructure;
using validation::normal_below;
using validation::normal_quantile;
using validation::probability_better;
using validation::probability_of;

}  // namespace moesim::tools
