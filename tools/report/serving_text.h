// A service's report as a planner reads it, the answer first; its iterations as a timeline.
#pragma once

#include <string>

#include "workloads/serving/question.h"
#include "workloads/serving/service.h"

namespace moesim::workloads {
struct Report;
}

namespace moesim::tools {

// `report`: of a sample of the iterations.
std::string serving_text(const workloads::serving::ServingReport& serving,
                         const workloads::Report& report,
                         const workloads::serving::ServingQuestion& question);

// In the Chrome trace-event format: a process a replica, an event an iteration.
std::string serving_trace(const workloads::serving::PlayedService& played);

}  // namespace moesim::tools
