// Which kind a table is of, by its columns and values.
#pragma once

#include <string>

#include "sim/io/csv.h"

namespace moesim::validation {

// Throws InputError where the columns are those of no kind.
std::string detect_kind(const sim::io::CsvTable& table);

}  // namespace moesim::validation
