// A step of training as SVG text that stands alone: a row a pipeline rank, a box a pass, coloured
// by what it is, numbered by its micro-batch where there is room.
#pragma once

#include <string>

#include "workloads/run.h"

namespace moesim::tools {

// REQUIRES: the recording is of a training scenario (Phase::Pipeline: passes of the pipeline)
std::string schedule_svg(const workloads::Recording& recording, const std::string& title);

}  // namespace moesim::tools
