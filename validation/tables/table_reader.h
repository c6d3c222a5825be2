// The columns of a measured table, checked value by value: what is wrong is an InputError that
// names file, line and column.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "hardware/precision.h"
#include "sim/io/csv.h"
#include "validation/calibrate/task.h"

namespace moesim::validation {

class TableReader {
 public:
  explicit TableReader(const sim::io::CsvTable& table) : table_(table) {}

  std::size_t rows() const { return table_.rows(); }
  bool has(std::string_view column) const { return table_.find_column(column).has_value(); }
  // A whole number of at least `least`.
  std::int64_t count(std::size_t row, std::string_view column, std::int64_t least = 1) const;
  std::string_view text(std::size_t row, std::string_view column) const;
  // Also the spellings of public tables: "bfloat16", "int4_wo", "w4a16_mxfp4", …
  hardware::Precision precision(std::size_t row, std::string_view column) const;
  // A measured time: above zero, finite; zero where the column is absent or the value is empty.
  double time_us(std::size_t row, std::string_view column, bool zero_allowed = false) const;
  // "t.csv:7: n: expected WHAT, not "x""
  [[noreturn]] void fail(std::size_t row, std::string_view column, const std::string& what) const;

  // The row's place, time, and whether the table flags it.
  Item item(std::size_t row, std::string_view time_column) const;

 private:
  const sim::io::CsvTable& table_;
};

}  // namespace moesim::validation
