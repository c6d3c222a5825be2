#include <ostream>

#include "sim/error.h"
#include "tools/moesim/calibrate/calibrate_commands.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/calibrate/import_points.h"

namespace moesim::tools {
namespace {

// Its notes are said where no row is left, too: they say why.
std::string said_import(const Arguments& arguments, std::ostream& err) {
  std::vector<std::string> notes;
  const auto say = [&] {
    for (const std::string& line : notes) err << line << '\n';
  };
  try {
    std::string table = import_log(arguments, arguments.text("POINTS"), notes);
    say();
    return table;
  } catch (const sim::Error&) {
    say();
    throw;
  }
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  refuse_what_does_not_apply(arguments);
  if (arguments.text("from") != "moesim-gpu") {
    write_result(arguments, said_import(arguments, console.err), console);
    return sim::ExitCode::Ok;
  }
  validation::ImportOptions options;
  options.roles = arguments.all("role");
  if (options.roles.empty()) options.roles = {"fit"};
  const auto imported =
      validation::import_points(sim::io::CsvTable::read(arguments.text("POINTS")), options);
  for (const std::string& line : imported.left_out) console.err << "left out: " << line << '\n';
  console.err << imported.points << " points\n";
  write_result(arguments, imported.csv, console);
  return sim::ExitCode::Ok;
}

std::vector<Option> with_log_options(std::vector<Option> options) {
  for (Option& option : log_import_options()) options.push_back(std::move(option));
  return options;
}

}  // namespace

Command calibrate_import_command() {
  return {
      .name = "calibrate import",
      .summary = "turns a GPU's points, or another tool's measurements, into tables to fit on",
      .description =
          "Brings the two passes of each point together and leaves out what cannot be trusted: "
          "results that were wrong or unwritten, throttled clocks, passes that disagree. The rest, "
          "of the roles that are asked for, is a table for calibrate fit and validate table. With "
          "--from: nccl-tests (text, or JSON of -J), perftest (text, or JSON of --out_json), the "
          "log of "
          "DeepEP's tests (low latency or normal), or a CSV table of aiconfigurator (latency in "
          "milliseconds); what a log does not say is given by options.",
      .options = with_log_options(
          {{.name = "POINTS",
            .value = "",
            .help = "what moesim-gpu run wrote, or the other tool",
            .required = true,
            .is_file = true},
           {.name = "--role",
            .value = "ROLE",
            .help = "which points: fit where it is not given",
            .repeated = true,
            .choices = {"fit", "holdout", "holdout_model", "ceiling", "extra", "power"}},
           {.name = "-o,--output",
            .value = "FILE",
            .help = "the table; standard output where it is not given",
            .is_file = true,
            .is_output = true}}),
      .examples =
          {"moesim calibrate import points.csv -o fit.csv",
           "moesim calibrate import points.csv --role holdout --role holdout_model -o "
           "judge.csv",
           "moesim calibrate import all_reduce.log --from nccl-tests --operation all_reduce"},
      .run = run};
}

}  // namespace moesim::tools
