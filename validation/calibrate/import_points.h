// Points of a GPU as they are fitted: the two passes of a point brought together, those that cannot
// be trusted left out.
#pragma once

#include <string>
#include <vector>

#include "sim/io/csv.h"

namespace moesim::validation {

struct ImportOptions {
  std::vector<std::string> roles{"fit"};  // that are wanted: "fit", "holdout", …
  double most_drift = 1.25;  // between the passes' medians, beyond which neither counts
};

struct Imported {
  std::string csv;  // the columns of the points, one row a point: p50_us is the passes' mean
  int points = 0;
  std::vector<std::string> left_out;  // "p.csv:9: grouped-003: wrong"
};

// Throws InputError for a column that is missing, or where no point of these roles is left.
Imported import_points(const sim::io::CsvTable& table, const ImportOptions& options);

}  // namespace moesim::validation
