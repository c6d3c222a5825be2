#include <ostream>

#include "sim/error.h"
#include "sim/io/atomic_file.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "validation/calibrate/import_points.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  validation::ImportOptions options;
  options.roles = arguments.all("role");
  if (options.roles.empty()) options.roles = {"fit"};
  const auto imported =
      validation::import_points(sim::io::CsvTable::read(arguments.text("POINTS")), options);
  for (const std::string& line : imported.left_out) console.err << "left out: " << line << '\n';
  console.err << imported.points << " points\n";
  if (const auto file = arguments.find("output")) {
    sim::io::write_file(*file, imported.csv);
  } else {
    console.out << imported.csv;
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command calibrate_import_command() {
  return {
      .name = "calibrate import",
      .summary = "takes from a GPU's points those to fit on, or to judge by",
      .description =
          "Brings the two passes of each point together and leaves out what cannot be trusted: "
          "results that were wrong or unwritten, throttled clocks, passes that disagree. The rest, "
          "of the roles that are asked for, is a table for calibrate fit and validate table.",
      .options = {{.name = "POINTS",
                   .value = "",
                   .help = "what moesim-gpu run wrote",
                   .required = true,
                   .is_file = true},
                  {.name = "--role",
                   .value = "ROLE",
                   .help = "which points: fit where it is not given",
                   .repeated = true,
                   .choices = {"fit", "holdout", "holdout_model", "ceiling", "extra"}},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the table; standard output where it is not given",
                   .is_file = true}},
      .examples = {"moesim calibrate import points.csv -o fit.csv",
                   "moesim calibrate import points.csv --role holdout --role holdout_model -o "
                   "judge.csv"},
      .run = run};
}

}  // namespace moesim::tools
