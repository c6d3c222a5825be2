// What a step of training does not play, for who would rely on it.
#pragma once

#include <string>
#include <vector>

#include "workloads/deployment/deployment.h"
#include "workloads/report/report.h"
#include "workloads/training/question.h"

namespace moesim::workloads {

// REQUIRES: the stand-ins of the report are written
std::vector<std::string> left_out(const Deployment& deployment, const TrainingQuestion& question,
                                  const Report& report);

}  // namespace moesim::workloads
