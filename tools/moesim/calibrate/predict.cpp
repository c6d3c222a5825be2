#include <ostream>

#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/compare/table_prediction.h"

namespace moesim::tools {
namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string kind = arguments.text("KIND");
  const hardware::Device device = find_device(arguments.text("device"));
  const sim::io::CsvTable table = sim::io::CsvTable::read(arguments.text("TABLE"));
  const auto predictions =
      validation::predict_table(kind, table, device, arguments.find("impl").value_or(""));
  for (const std::string& note : validation::notes_on(table, device, predictions))
    console.err << note << '\n';
  const std::string text = validation::with_predictions(kind, table, predictions);
  write_result(arguments, text, console);
  return sim::ExitCode::Ok;
}

}  // namespace

Command predict_command() {
  return {.name = "predict",
          .summary = "predicts the time of each row of a table of kernels or collectives",
          .description =
              "Prints the table with predicted_us beside every row, its 10th and 90th percentile, "
              "predicted_p10_us and predicted_p90_us, and the ends of its 90 % interval, "
              "predicted_p05_us and predicted_p95_us (DeepEP: predicted_dispatch_us and "
              "predicted_combine_us); and predicted_provenance: fitted; taken over from another "
              "device of the generation, where it was fitted; extrapolated where an "
              "implementation, a shape or a generation is beyond what was fitted, or a word of the "
              "row is not known and was read as the nearest that is; none, and no times, where "
              "nothing is near. Standard error says how. Measured times in the table are "
              "not looked at; other columns are kept.",
          .options = {kind_argument(),
                      {.name = "TABLE",
                       .value = "",
                       .help = "a CSV file, plain or .gz, with the columns of its kind",
                       .required = true,
                       .is_file = true},
                      device_option(),
                      implementation_option(),
                      {.name = "-o,--output",
                       .value = "FILE",
                       .help = "where the table goes, in place of standard output",
                       .is_file = true,
                       .is_output = true}},
          .examples = {"moesim predict gemm --device h200 --impl trtllm gemm.csv",
                       "moesim predict deepep_ll --device h100 sizes.csv -o predicted.csv"},
          .run = run};
}

}  // namespace moesim::tools
