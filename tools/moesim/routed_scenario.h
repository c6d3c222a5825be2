// A routing trace on a model on a cluster, as a scenario: attention data-parallel, one GPU a rank,
// and the experts over all ranks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/moesim/command.h"
#include "workloads/scenario.h"

namespace moesim::tools {

struct RoutedQuestion {
  std::string trace, model, cluster;  // files
  std::int64_t ranks = 0;             // 0: as many as the cluster has and divide the expert slots
  std::int64_t redundant = 0;         // expert slots beyond one an expert
  bool prefill = false;
  std::int64_t tokens =
      128;  // of a rank in a step; decode: sequences, of 4096 tokens each (or what the model can)
  std::int64_t steps = 4;
  std::string network = "bound";
  std::vector<std::string> overrides = {};  // "key=value" of the scenario
};

// Throws ConfigError where the model has no experts or the scenario is none, InputError for a file.
workloads::Scenario routed_scenario(const RoutedQuestion& question);

// The options that fill a question beside its files, and what they say.
std::vector<Option> routed_options();
RoutedQuestion routed_question(const Arguments& arguments);

}  // namespace moesim::tools
