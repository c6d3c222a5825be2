#include "tools/study/merge.h"

#include <fmt/format.h>

#include <ostream>

#include "tools/moesim/sweep/sweep_commands.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  std::vector<std::filesystem::path> inputs;
  for (const std::string& file : arguments.all("STORES")) inputs.emplace_back(file);
  const Merged merged = merge(arguments.text("TARGET"), inputs);
  console.out << fmt::format("{} points of {} stores; {}\n", merged.points, inputs.size(),
                             arguments.text("TARGET"));
  if (merged.expected && merged.points < *merged.expected) {
    console.err << fmt::format(
        "moesim sweep merge: the study has {} points: {} of them are in none of these stores\n",
        *merged.expected, *merged.expected - merged.points);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command sweep_merge_command() {
  return {.name = "sweep merge",
          .summary = "puts shards of one study together",
          .description =
              "Points that several files have must be equal: where they are not, exit code 1.",
          .options = {{.name = "TARGET",
                       .help = "a new file",
                       .required = true,
                       .is_file = true,
                       .is_output = true},
                      {.name = "STORES",
                       .help = "what sweep --shard wrote",
                       .required = true,
                       .repeated = true,
                       .is_file = true}},
          .examples = {"moesim sweep merge all.db sweep-0.db sweep-1.db"},
          .run = run};
}

}  // namespace moesim::tools
