// Tables as comma-separated values (RFC 4180, a header line first), plain or gzipped (".gz").
//
// A table is read by the names of its columns; those that nobody asks for are kept. Empty lines and
// lines that start with '#' are passed over. Every value knows its line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::sim::io {

class CsvTable {
 public:
  // Throws InputError where the file is missing, no valid gzip, over 4 GiB unpacked, has no header,
  // names a column twice, or has a row of another length ("t.csv:7: 5 values, but 6 columns").
  static CsvTable read(const std::filesystem::path& file);
  static CsvTable parse(std::string text, std::string name);

  const std::string& name() const { return name_; }
  const std::vector<std::string>& columns() const { return columns_; }
  std::size_t rows() const { return lines_.size(); }
  std::size_t line(std::size_t row) const { return lines_[row]; }  // in the file, from 1
  std::string where(std::size_t row) const;                        // "t.csv:7"

  std::optional<std::size_t> find_column(std::string_view name) const;
  // Throws InputError: column "latency_us" is missing; the columns are …; did you mean …?
  std::size_t column(std::string_view name) const;

  std::string_view text(std::size_t row, std::size_t column) const;
  // Throw InputError "t.csv:7: latency_us: expected a number, not "abc"".
  double number(std::size_t row, std::size_t column) const;  // finite
  std::int64_t integer(std::size_t row, std::size_t column) const;

 private:
  std::string name_;
  std::string text_;  // unquoted, value after value
  std::vector<std::string> columns_;
  std::vector<std::size_t> lines_;   // of each row
  std::vector<std::uint64_t> ends_;  // of each value in text_, row after row
};

// Builds a table and writes it as text: values are quoted where they must be, numbers have the
// fewest digits that read back to the same value.
class CsvWriter {
 public:
  explicit CsvWriter(const std::vector<std::string>& columns);
  CsvWriter& add(std::string_view value);
  CsvWriter& add(double value);
  CsvWriter& add(std::int64_t value);
  // REQUIRES: as many values were added since the last row as there are columns
  void end_row();
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  std::size_t columns_ = 0;
  std::size_t added_ = 0;
};

// The contents of a file, unpacked if the name ends in .gz. Throws InputError.
std::string read_text(const std::filesystem::path& file, std::size_t limit = std::size_t{4} << 30);

}  // namespace moesim::sim::io
