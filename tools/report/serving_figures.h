// What only the run of a service knows: each request's times, and its state over time.
#pragma once

#include "tools/report/page.h"
#include "workloads/serving/service.h"

namespace moesim::tools {

// Adds them to the section "Requests" and after it. REQUIRES: serving_page()
void add_serving_figures(const workloads::serving::PlayedService& played,
                         const workloads::serving::ServingQuestion& question, Page& page);

}  // namespace moesim::tools
