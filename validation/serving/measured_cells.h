// Cells of tables of measured engines.
#pragma once

#include <cstdint>
#include <string_view>

#include "sim/io/csv.h"

namespace moesim::validation {

// Throw InputError "t.csv:7: COLUMN: expected 1 or more, not 0".
std::int64_t count_at(const sim::io::CsvTable& table, std::size_t row, std::string_view column,
                      std::int64_t least = 1);
double above_zero(const sim::io::CsvTable& table, std::size_t row, std::string_view column);

}  // namespace moesim::validation
