// Predictions for the rows of a measured table, and how far they are off.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "sim/io/csv.h"
#include "validation/statistics.h"
#include "validation/tables/tables.h"

namespace moesim::validation {

// One task of a table with what a device's model says to it.
struct TaskPrediction {
  std::unique_ptr<Task> task;
  hardware::FittedModel model;
  bool stand_in = false;                      // it is another implementation's or number format's
  bool unfitted = false;                      // no fit at all: the formula's round figures
  std::vector<hardware::Estimate> estimates;  // of each item
};

// "gemm vllm bf16: predicted with the parameters of trtllm bf16 (extrapolated)": how a prediction
// goes beyond what was fitted. Empty where it does not.
std::string caveat_of(const TaskPrediction& prediction);

struct TablePredictions : std::vector<TaskPrediction> {
  std::vector<RowApart> apart;  // rows that nothing answers for
};

// Always answers: by the device's fit, by the nearest one that stands in, or by the formula's round
// figures with a wide interval. A row with a word that is not known is answered by the nearest that
// is, with as much more doubt; only where nothing is near it is set apart. Throws InputError as
// read_tasks().
TablePredictions predict_table(std::string_view kind, const sim::io::CsvTable& table,
                               const hardware::Device& device, const std::string& implementation);

// The table as CSV with predicted_us, its 10th and 90th percentile and the ends of its 90 %
// interval (predicted_p10_us, _p90_us, _p05_us, _p95_us) beside it (for each of the kind's times),
// and predicted_provenance: "fitted", "taken over from H100 SXM" (fitted on another device of the
// generation), "extrapolated", behind which come a colon and the words of the row that were read as
// others; or "none", with why, where no model answers: the times are empty there. Columns of those
// names that the table already has are replaced.
std::string with_predictions(std::string_view kind, const sim::io::CsvTable& table,
                             const TablePredictions& predictions);

// What a reader of the predictions should know, a line each: the caveats of the tasks, whose
// parameters are taken over from which device of the generation, how many rows have a word that was
// read as another, and how many are answered by nothing.
std::vector<std::string> notes_on(const sim::io::CsvTable& table, const hardware::Device& device,
                                  const TablePredictions& predictions);

// The part of a kind's times that a task is about: "dispatch", "combine", "".
std::string_view part_of(std::string_view kind, const Task& task);

}  // namespace moesim::validation
