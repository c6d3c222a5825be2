#include "validation/serving/measured_cells.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::validation {

using sim::io::CsvTable;

std::int64_t count_at(const CsvTable& t, std::size_t row, std::string_view column,
                      std::int64_t least) {
  const std::int64_t value = t.integer(row, t.column(column));
  if (value < least)
    throw sim::InputError(
        fmt::format("{}: {}: expected {} or more, not {}", t.where(row), column, least, value));
  return value;
}

double above_zero(const CsvTable& t, std::size_t row, std::string_view column) {
  const double value = t.number(row, t.column(column));
  if (!(value > 0))
    throw sim::InputError(
        fmt::format("{}: {}: expected more than 0, not {}", t.where(row), column, value));
  return value;
}

}  // namespace moesim::validation
