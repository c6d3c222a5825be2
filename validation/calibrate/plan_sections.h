// The sections of a plan, each of which adds its points.
#pragma once

#include "validation/calibrate/plan.h"
#include "validation/calibrate/plan_writer.h"

namespace moesim::validation {

struct PlanModels {
  std::vector<ExpertShape> fitted, held;
};

// Grouped products for each implementation: what to fit on, unseen shapes, the held-out model's
// shards; libraries as yardsticks, and some again from a warm cache. Throws ConfigError where the
// models cannot be covered.
void plan_grouped(PlanWriter& writer, const PlanOptions& options, const PlanModels& models);
// Whole layers of each model, of the least tp at which its experts fit.
void plan_layers(PlanWriter& writer, const PlanOptions& options, const PlanModels& models);
// What a layer does beside its products, alone: of each different mixture, those of the held-out
// model to judge.
void plan_parts(PlanWriter& writer, const PlanOptions& options, const PlanModels& models);
// What the card can do: an empty kernel, memory, the L2, one large product.
void plan_ceilings(PlanWriter& writer, const PlanOptions& options);
// Products of one weight: the library's and fp8.
void plan_dense(PlanWriter& writer);
void plan_attention(PlanWriter& writer);
void plan_prefill(PlanWriter& writer);
// Between host and device, and between GPUs.
void plan_transfers(PlanWriter& writer);
// Loads of seconds, long enough for the power that is read to be theirs.
void plan_power(PlanWriter& writer, const PlanOptions& options);
// What things take of the card's memory.
void plan_memory(PlanWriter& writer, const PlanModels& models);

}  // namespace moesim::validation
