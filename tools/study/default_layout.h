// The layout of a replica that takes a whole cluster, where nobody said one.
#pragma once

#include <string>

#include "workloads/deployment/deployment.h"
#include "workloads/step/step_question.h"

namespace moesim::tools {

struct DefaultLayout {
  workloads::Parallelism layout;
  bool fits = true;  // memory holds it, with balanced experts
};

// With experts: ep over all GPUs, or over the most that divide both the GPUs and every layer's
// expert slots; without: none. tp is the least power of two with which weights and batch fit, dp
// the rest; where none fits, the one whose fullest GPU needs least. Powers of two that the model
// cannot be divided by are passed over.
DefaultLayout default_layout(const workloads::Deployment& deployment,
                             const workloads::StepQuestion& asked);

// The most GPUs of `gpus` that experts can be divided over.
std::int64_t default_ep(const workloads::Deployment& deployment, std::int64_t gpus);

}  // namespace moesim::tools
