// What to measure on a GPU so that a cost model can be fitted and judged: shapes that fill the
// space of the models' shards, with the hold-outs named before anything is measured. Deterministic.
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
  int points = 96;   // grouped GEMMs to fit on, for each implementation
  int holdout = 32;  // and of other shapes, to judge by
  std::vector<std::string> implementations{"moesim_mma", "moesim_wgmma", "moesim_fp8"};
  double most_ratio = 2.6;     // of any shard's n or k to the nearest that is fitted on
  double weight_bytes = 24e9;  // of one point, at most
  std::uint64_t seed = 1;
};

// Throws ConfigError for a hold-out that is none of the models, or models that cannot be covered.
cuda::Plan make_plan(const PlanOptions& options);

// How well a plan covers the shards of models, for people and tests.
struct Coverage {
  double shapes = 1;  // worst ratio of a shard's (n, k) to the nearest fitted on
  double rows = 1;    // worst ratio of 1 … 4096 rows an expert to the nearest fitted on
  double active = 1;  // likewise of 1 … 256 experts with rows
};
Coverage coverage(const cuda::Plan& plan, const PlanOptions& options);

}  // namespace moesim::validation
