// Rows of a table that ask for the same and measured another time.
#pragma once

#include <string>

#include "sim/io/csv.h"

namespace moesim::validation {

// Empty where there are none that differ by more than a tenth; else a line of what there is: a
// table of several kernels under one name has many.
std::string repeated_rows_note(const sim::io::CsvTable& table);

}  // namespace moesim::validation
