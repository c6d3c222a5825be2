// The scenario that a command is given: SCENARIO and --set, as run, config and capacity take them.
#pragma once

#include <vector>

#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"
#include "workloads/scenario.h"

namespace moesim::tools {

// SCENARIO and --set.
std::vector<Option> scenario_options();

// The document with what --set replaces. Throws ConfigError, InputError.
sim::io::YamlDocument scenario_document(const Arguments& arguments);
// What it says, its trace from this user's cache. Throws ConfigError, InputError.
// ", with model=mixtral-8x22b, seed=2": a scenario's name is of what its file says, and what was
// changed stands beside it.
std::string changes(const Arguments& arguments);
workloads::Scenario named_scenario(const Arguments& arguments);

// The same where SCENARIO may be left out for description_options(): what these do not say is
// announced, a line each, and among the scenario's defaults. Throws ConfigError for neither or
// both.
workloads::Scenario named_or_described_scenario(const Arguments& arguments, Console console);

}  // namespace moesim::tools
