// A step of training as a planner reads it, the answer first.
#pragma once

#include <string>

#include "workloads/training/training_report.h"

namespace moesim::workloads {
struct Report;
}

namespace moesim::tools {

std::string training_text(const workloads::TrainingReport& training,
                          const workloads::Report& report);

}  // namespace moesim::tools
