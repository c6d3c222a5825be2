// What several GPUs of one machine do together: a peer copy, and collectives by NCCL (opened at
// run time).
#pragma once

#include <string>
#include <variant>

#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

std::variant<Timing, Unsupported> time_between_gpus(const std::string& what, int gpus, double bytes,
                                                    const TimingRequest& request);

}  // namespace moesim::validation::cuda
