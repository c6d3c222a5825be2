// What an engine carries when GPUs of it are lost (workloads/deployment/elastic.h).
#pragma once

#include <functional>

#include "sim/io/json.h"
#include "tools/study/plan/availability.h"
#include "workloads/deployment/deployment.h"

namespace moesim::tools {

// By `measure`, of the deployment without its last one and two GPUs, times the part of all GPUs
// (pairs) whose loss leaves every expert. Nothing where the engine is not elastic, or stops.
LostCapacity lost_capacity(const workloads::Deployment& deployment,
                           const std::function<double(const workloads::Deployment&)>& measure);

// "lost", "availability", "goodput_per_s" and what they rest on, of one answer.
sim::io::Json to_json(const Losses& losses, const Reliability& reliability);

}  // namespace moesim::tools
