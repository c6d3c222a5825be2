// What a trace's routing costs: the step of a model on a cluster, routed by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/moesim/command.h"

namespace moesim::tools {

// Of one trace.
struct StepCost {
  std::string trace;      // its file
  double step_us = 0;     // mean
  double experts_us = 0;  // of it: computing experts, mean over the ranks
  double waiting_us = 0;  // of it: for ranks with more rows, mean over the ranks
  double rank_max_over_mean = 1, expert_max_over_mean = 1;  // as routed in these steps
  std::int64_t dead_experts = 0;                            // in these steps, sum of the layers
  std::string routing;                      // how the trace was mapped onto the model
  std::optional<std::string> missing = {};  // what note_of_missing says
};

struct StepCosts {
  std::string what;  // "Mixtral-8x7B on …: decode, 128 tokens of each of 8 GPUs, linear placement"
  double even_us = 0;  // the same step with every expert equally loaded
  std::vector<StepCost> traces;
};

// --model, --cluster, and how the step is made.
std::vector<Option> step_cost_options();
// Whether --model and --cluster are given; throws ConfigError where only one is.
bool wants_step_cost(const Arguments& arguments);
// REQUIRES: wants_step_cost(arguments)
StepCosts step_costs(const std::vector<std::string>& traces, const Arguments& arguments);

sim::io::Json to_json(const StepCosts& costs);
std::string to_text(const StepCosts& costs);

}  // namespace moesim::tools
