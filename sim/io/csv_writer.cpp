#include <fmt/format.h>

#include <array>
#include <charconv>

#include "sim/check.h"
#include "sim/io/csv.h"

namespace moesim::sim::io {

CsvWriter::CsvWriter(const std::vector<std::string>& columns) : columns_(columns.size()) {
  SIM_CHECK(!columns.empty(), "a table has at least one column");
  for (const std::string& column : columns) add(std::string_view(column));
  end_row();
}

CsvWriter& CsvWriter::add(std::string_view value) {
  SIM_CHECK(added_ < columns_, "a row has more values than the table has columns");
  if (added_++ > 0) text_ += ',';
  // A first value that is empty or starts with '#' would make the line one that is passed over; a
  // byte order mark would be taken for that of the file.
  const bool first_is_hidden =
      added_ == 1 && (value.empty() || value.front() == '#' || value.front() == '\xEF');
  if (!first_is_hidden && value.find_first_of(",\"\r\n") == std::string_view::npos) {
    text_ += value;
    return *this;
  }
  text_ += '"';
  for (const char c : value) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
  return *this;
}

CsvWriter& CsvWriter::add(double value) {
  std::array<char, 32> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  SIM_CHECK(error == std::errc{}, "a double has at most 24 characters");
  return add(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

CsvWriter& CsvWriter::add(std::int64_t value) {
  return add(std::string_view(fmt::format_int(value).c_str()));
}

void CsvWriter::end_row() {
  SIM_CHECK(added_ == columns_, "a row has as many values as the table has columns");
  added_ = 0;
  text_ += '\n';
}

}  // namespace moesim::sim::io
