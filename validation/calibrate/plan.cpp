#include "validation/calibrate/plan.h"

#include <fmt/format.h>

#include "sim/error.h"
#include "validation/calibrate/plan_sections.h"

namespace moesim::validation {
namespace {

// Throws ConfigError where the model to hold out is none of them, or none is left.
PlanModels divide(const PlanOptions& options) {
  PlanModels models;
  for (const ExpertShape& m : options.models) {
    (m.model == options.holdout_model ? models.held : models.fitted).push_back(m);
  }
  if (!options.holdout_model.empty() && models.held.empty()) {
    std::string names;
    for (const ExpertShape& m : options.models) names += (names.empty() ? "" : ", ") + m.model;
    throw sim::ConfigError(
        fmt::format("the model to hold out, \"{}\", is not among those of the plan: {}",
                    options.holdout_model, names));
  }
  if (models.fitted.empty()) throw sim::ConfigError("a plan needs a model that is not held out");
  return models;
}

}  // namespace

cuda::Plan make_plan(const PlanOptions& options) {
  const PlanModels models = divide(options);
  std::string names;
  for (const ExpertShape& m : options.models) names += (names.empty() ? "" : ", ") + m.model;
  PlanWriter writer({{"format", "moesim plan 1"},
                     {"models", names},
                     {"holdout_model", options.holdout_model},
                     {"seed", std::to_string(options.seed)}});
  plan_grouped(writer, options, models);
  plan_layers(writer, options, models);
  plan_parts(writer, options, models);
  plan_ceilings(writer, options);
  plan_dense(writer);
  plan_attention(writer);
  plan_prefill(writer);
  plan_transfers(writer);
  plan_memory(writer, models);
  if (options.power) plan_power(writer, options);
  return std::move(writer).plan();
}

}  // namespace moesim::validation
