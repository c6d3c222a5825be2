#include "tools/moesim/sweep/study_arguments.h"

#include <fmt/format.h>

#include "sim/error.h"
#include "tools/moesim/shipped.h"
#include "tools/study/store_file.h"

namespace moesim::tools {
namespace {

std::filesystem::path study_file(const Arguments& arguments, const std::string& command) {
  const auto given = arguments.find("FILE");
  if (!given) {
    throw sim::ConfigError(fmt::format(
        "{0}: say a study's file or a scenario: moesim {0} SCENARIO --vary KEY=VALUES", command));
  }
  if (*given == "-") {
    throw sim::ConfigError(fmt::format(
        "{}: every point reads the scenario anew, which standard input cannot give: say a file",
        command));
  }
  if (is_database(*given)) {
    throw sim::ConfigError(fmt::format(
        "{0}: is a sweep's store, not a study: --resume goes on with it where the study "
        "is said again, as moesim sweep FILE ... -o {0} --resume (moesim sweep show {0} "
        "lists its points)",
        *given));
  }
  return find_config("scenarios", *given);
}

}  // namespace

std::vector<Option> study_options() {
  return {{.name = "FILE",
           .help = "a study, or a scenario: a file or the name of one that ships",
           .is_file = true},
          {.name = "--vary",
           .value = "KEY=VALUES",
           .help = "8,16,32; 1..9; 0..1+0.25; 1..256*2; 50..800~9 (even in log)",
           .repeated = true},
          {.name = "--zip",
           .value = "KEY=VALUES,KEY=VALUES",
           .help = "keys that vary together",
           .repeated = true},
          {.name = "--derive",
           .value = "KEY=EXPRESSION",
           .help = "a key that follows from others",
           .repeated = true},
          {.name = "--where",
           .value = "EXPRESSION",
           .help = "only points of which it holds",
           .repeated = true},
          {.name = "--measure",
           .value = "KEY",
           .help = "a number of the report that gets a column: step_time_us.mean",
           .repeated = true},
          {.name = "--set",
           .value = "KEY=VALUE",
           .help = "replace a value of the scenario at all points",
           .repeated = true}};
}

StudySpec study_of(const Arguments& arguments, const std::string& command) {
  return read_study(study_file(arguments, command),
                    {.vary = arguments.all("vary"),
                     .zip = arguments.all("zip"),
                     .derive = arguments.all("derive"),
                     .where = arguments.all("where"),
                     .measure = arguments.all("measure"),
                     .set = arguments.all("set")},
                    [](const std::string& name) { return find_config("scenarios", name); });
}

std::vector<std::string> study_words(const Arguments& arguments) {
  std::vector<std::string> words{arguments.text("FILE")};
  for (const Option& option : study_options()) {
    if (!option.name.starts_with("--")) continue;
    for (const std::string& value : arguments.all(option.name.substr(2))) {
      words.push_back(option.name);
      words.push_back(value);
    }
  }
  return words;
}

}  // namespace moesim::tools
