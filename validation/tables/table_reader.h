// The columns of a measured table, checked value by value: what is wrong is an InputError that
// names file, line and column.
//
// A word that is not known is not wrong: tables are made by programs that we have not seen. It is
// read as the nearest one that is (words.h), and the row remembers it; or the row is set apart
// where nothing is near.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/precision.h"
#include "sim/io/csv.h"
#include "validation/calibrate/task.h"

namespace moesim::validation {

// A row that no model answers for, and why: "op_name "gather" is not known".
struct RowApart {
  std::size_t row = 0;
  std::string why;
};

class TableReader {
 public:
  explicit TableReader(const sim::io::CsvTable& table) : table_(table) {}

  std::size_t rows() const { return table_.rows(); }
  bool has(std::string_view column) const { return table_.find_column(column).has_value(); }
  // A whole number of at least `least`.
  std::int64_t count(std::size_t row, std::string_view column, std::int64_t least = 1) const;
  std::string_view text(std::size_t row, std::string_view column) const;
  // The same, and not empty.
  std::string_view word(std::size_t row, std::string_view column) const;
  // Also the spellings of public tables: "bfloat16", "int4_wo", "w4a16_mxfp4", … and guesses.
  hardware::Precision precision(std::size_t row, std::string_view column) const;
  // A measured time: above zero, finite; zero where the column is absent or the value is empty.
  double time_us(std::size_t row, std::string_view column, bool zero_allowed = false) const;
  // "t.csv:7: n: expected WHAT, not "x""
  [[noreturn]] void fail(std::size_t row, std::string_view column, const std::string& what) const;

  // `read` of each row in turn, but for those that it sets apart.
  template <class Read>
  void for_each_row(const Read& read) const {
    for (std::size_t row = 0; row < rows(); ++row) {
      try {
        read(row);
      } catch (const NothingNear& unknown) {
        apart_.push_back({row, unknown.why});
      }
    }
  }
  // The row's word of a column is read as `taken`, which is not what it says.
  void guess(std::size_t row, std::string_view column, std::string_view taken) const;
  // Nothing is near the row's word of a column, which `is` why. Ends the row's reading, within
  // for_each_row.
  [[noreturn]] void set_apart(std::size_t row, std::string_view column,
                              std::string_view is = "is not known") const;
  // "moe_dtype "fp6" read as fp8", of a row; empty where nothing was guessed.
  std::string guess_of(std::size_t row) const;
  const std::vector<RowApart>& apart() const { return apart_; }

  // The row's place, time, and whether the table flags it.
  Item item(std::size_t row, std::string_view time_column) const;

 private:
  struct NothingNear {
    std::string why;
  };

  const sim::io::CsvTable& table_;
  mutable std::map<std::size_t, std::string> guesses_;
  mutable std::vector<RowApart> apart_;
};

}  // namespace moesim::validation
