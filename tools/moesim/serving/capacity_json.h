// `moesim capacity --format json`, but for what it says of lost GPUs.
#pragma once

#include "sim/io/json.h"
#include "workloads/serving_capacity.h"

namespace moesim::tools {

sim::io::Json to_json(const workloads::ServingCapacity& capacity,
                      const workloads::Scenario& scenario);

}  // namespace moesim::tools
