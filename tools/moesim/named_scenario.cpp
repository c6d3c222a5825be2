#include "tools/moesim/named_scenario.h"

#include <cstdlib>

#include "tools/moesim/shipped.h"
#include "tools/moesim/trace_cache.h"

namespace moesim::tools {

std::vector<Option> scenario_options() {
  return {{.name = "SCENARIO",
           .help = "the scenario: a YAML file, or the name of one that ships",
           .required = true,
           .is_file = true},
          {.name = "--set",
           .value = "KEY=VALUE",
           .help = "replace a value of the scenario; may be given more than once",
           .repeated = true}};
}

sim::io::YamlDocument scenario_document(const Arguments& arguments) {
  return workloads::open_scenario(find_config("scenarios", arguments.text("SCENARIO")),
                                  arguments.all("set"));
}

std::string changes(const Arguments& arguments) {
  std::string text;
  for (const std::string& assignment : arguments.all("set")) {
    text += (text.empty() ? ", with " : ", ") + assignment;
  }
  return text;
}

workloads::Scenario named_scenario(const Arguments& arguments) {
  workloads::Scenario scenario = workloads::load_scenario(
      find_config("scenarios", arguments.text("SCENARIO")), arguments.all("set"), shipped());
  scenario.deployment.routing.cache = trace_cache(std::getenv);
  return scenario;
}

}  // namespace moesim::tools
