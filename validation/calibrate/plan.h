// What to measure on a GPU so that a cost model can be fitted and judged: shapes that fill the
// space of the models' shards, with the hold-outs named before anything is measured. Deterministic.
//
// plan_shapes.h says which weights and how many experts the shards have, plan_space.h which
// products fill the space, plan_loads.h how rows are dealt to experts; plan_sections.h lists the
// sections of a plan, and plan_coverage.h judges one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "validation/calibrate/plan_shapes.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation {

struct PlanOptions {
  std::vector<ExpertShape> models;
  std::string holdout_model;  // a name of `models`; empty: none is held out
  std::vector<int> tps{1, 2, 4, 8};
  std::vector<int> eps{1, 2, 4, 8, 16, 32, 64};
  int points = 96;   // grouped GEMMs to fit on, for each implementation
  int holdout = 32;  // and of other shapes, to judge by
  std::vector<std::string> implementations{"moesim_mma", "moesim_wgmma", "moesim_fp8"};
  bool power = false;          // long loads, for watts
  double most_ratio = 2.6;     // of any shard's n or k to the nearest that is fitted on
  double weight_bytes = 24e9;  // of one point, at most
  std::uint64_t seed = 1;
};

// Throws ConfigError for a hold-out that is none of the models, or models that cannot be covered.
cuda::Plan make_plan(const PlanOptions& options);

}  // namespace moesim::validation
