// moesim init: the scenario that options mean, as a file to go on from.
#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "sim/error.h"
#include "tools/moesim/command.h"
#include "tools/moesim/described_scenario.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto output = arguments.find("output");
  std::error_code error;
  if (output && std::filesystem::exists(*output, error)) {
    throw sim::ConfigError(fmt::format("{}: is there already, and init replaces nothing", *output));
  }
  const DescribedScenario described = described_scenario(arguments);
  for (const std::string& one : described.defaults) console.err << "default: " << one << '\n';
  write_result(arguments, described.file, console);
  return sim::ExitCode::Ok;
}

}  // namespace

Command init_command() {
  std::vector<Option> options = description_options();
  options.push_back({.name = "-o,--output",
                     .value = "FILE",
                     .help = "write it there instead of to standard output; a file that is there "
                             "is not replaced",
                     .is_file = true,
                     .is_output = true});
  for (Option& option : options) {
    if (option.name == "--model") option.help = "a name, file or checkpoint's folder, or a hub id";
  }
  return {.name = "init",
          .summary = "writes a scenario to go on from",
          .description =
              "Writes what moesim run with the same options runs, a comment beside each "
              "value. What is not said is chosen, and told.",
          .options = std::move(options),
          .examples = {"moesim init --model mixtral-8x7b --cluster h100:1x8 -o mine.yaml",
                       "moesim init --model deepseek-v3 --cluster h800:16x8 --phase prefill"},
          .run = run};
}

}  // namespace moesim::tools
