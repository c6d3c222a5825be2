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
  const hardware::FittedModel* model = nullptr;  // of the device
  bool stand_in = false;
  std::vector<hardware::Estimate> estimates;  // of each item
};

// Throws ConfigError where the device has no model of the kind, InputError as read_tasks().
std::vector<TaskPrediction> predict_table(std::string_view kind, const sim::io::CsvTable& table,
                                          const hardware::Device& device,
                                          const std::string& implementation);

// The table as CSV with predicted_us and the ends of its 90 % interval beside it (for each of the
// kind's times). Columns of those names that the table already has are replaced.
std::string with_predictions(std::string_view kind, const sim::io::CsvTable& table,
                             const std::vector<TaskPrediction>& predictions);

// The part of a kind's times that a task is about: "dispatch", "combine", "".
std::string_view part_of(std::string_view kind, const Task& task);

}  // namespace moesim::validation
