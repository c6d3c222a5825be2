// How far a device's models are off on measured tables: over all rows, by regime, the worst.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "validation/compare/table_prediction.h"

namespace moesim::validation {

struct WorstRow {
  std::string where;   // "t.csv:7"
  std::string inputs;  // "m=4096 n=512 …"
  double measured_us = 0, predicted_us = 0, error_percent = 0;
};

struct PartReport {
  std::string part;                               // "", "dispatch", "combine"
  ErrorSummary good;                              // rows that the table does not flag
  ErrorSummary all;                               // and with those that it does
  std::map<std::string, ErrorSummary> by_regime;  // of the good: "bf16/few_rows"
  std::vector<WorstRow> worst;                    // of the good, at most ten
};

struct TableReport {
  std::vector<PartReport> parts;
  std::vector<std::string> notes;  // "moe vllm bf16 is predicted with the parameters of trtllm …"
};

// Throws InputError where a table has no measured times, or they are in another unit: nearly all a
// hundred times off what is predicted or beyond what the hardware can do.
TableReport report_on(std::string_view kind, const std::vector<sim::io::CsvTable>& tables,
                      const hardware::Device& device, const std::string& implementation);

// Checks the measured times of a table's predictions against physics and each other; adds a note
// for each line that cannot be, and for inputs that are measured several ways. Throws InputError
// where that is most of them.
void check_units(const sim::io::CsvTable& table, const std::vector<TaskPrediction>& predictions,
                 std::vector<std::string>& notes);

}  // namespace moesim::validation
