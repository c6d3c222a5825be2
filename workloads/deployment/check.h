// Whether the parts of a deployment go together: what only all of them can tell.
#pragma once

#include <string>
#include <vector>

#include "workloads/deployment/deployment.h"

namespace moesim::workloads {

// What a problem is of: what stands, or how a batch is divided over it.
enum class ProblemOf { Deployment, Batch };

// What is wrong, and what would do; `key` is the scenario's key that it is about ("parallelism").
struct Problem {
  std::string key;
  std::string text;
  ProblemOf of = ProblemOf::Deployment;
};

// Every problem; empty where there is none. A deployment that was made in code is checked by this,
// too.
std::vector<Problem> check(const Deployment& deployment);

}  // namespace moesim::workloads
