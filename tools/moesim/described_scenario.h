// The scenario that --model, --cluster, --phase … mean, where there is no file.
#pragma once

#include <string>
#include <vector>

#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"

namespace moesim::tools {

// --model, --cluster, --phase, --batch, --context, --tokens, --prompt, --layout, --engine.
std::vector<Option> description_options();

// Whether any of them was given.
bool is_described(const Arguments& arguments);
// As they were typed: " --model mixtral-8x7b --batch 64".
std::string description_words(const Arguments& arguments);

struct DescribedScenario {
  sim::io::YamlDocument document;     // what load_scenario would read, with what --set replaces
  std::vector<std::string> defaults;  // what was not said, a line each
  std::string file;                   // the same as a commented file, without what --set replaces
};

// Reads model and cluster, to find the layout. Throws ConfigError, InputError of what they are;
// where --set gives the layout, or an option belongs to the other phase.
DescribedScenario described_scenario(const Arguments& arguments);

}  // namespace moesim::tools
