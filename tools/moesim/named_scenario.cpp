#include "tools/moesim/named_scenario.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ostream>

#include "tools/moesim/described_scenario.h"
#include "tools/moesim/shipped.h"
#include "tools/moesim/trace_cache.h"

namespace moesim::tools {
namespace {

workloads::Scenario with_cache(workloads::Scenario scenario) {
  scenario.deployment.routing.cache = trace_cache(std::getenv);
  return scenario;
}

}  // namespace

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
  return with_cache(workloads::load_scenario(find_config("scenarios", arguments.text("SCENARIO")),
                                             arguments.all("set"), shipped()));
}

workloads::Scenario named_or_described_scenario(const Arguments& arguments, Console console) {
  if (arguments.has("SCENARIO") && is_described(arguments)) {
    throw sim::ConfigError(
        fmt::format("{}: a scenario says all of it: leave out{}, or change it with --set",
                    arguments.text("SCENARIO"), description_words(arguments)));
  }
  if (arguments.has("SCENARIO")) return named_scenario(arguments);
  if (!arguments.has("model")) {
    throw sim::ConfigError(
        "say a scenario (moesim list scenarios), or --model and --cluster, such as --model "
        "deepseek-v3 --cluster h100:16x8");
  }
  const DescribedScenario described = described_scenario(arguments);
  workloads::Scenario scenario =
      with_cache(workloads::read_scenario(described.document.root(), shipped()));
  scenario.inputs.scenario.clear();
  std::vector<std::string>& defaults = scenario.inputs.defaults;
  defaults.insert(defaults.begin(), described.defaults.begin(), described.defaults.end());
  for (const std::string& one : defaults) console.err << "default: " << one << '\n';
  return scenario;
}

}  // namespace moesim::tools
