// Lines of a text file, one at a time, and a CSV line taken apart. Every mistake knows its line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/packed_stream.h"

namespace moesim::workloads::serving {

class TextRows {
 public:
  // Throws InputError where the file cannot be read.
  explicit TextRows(const std::filesystem::path& file);
  // The next line that is neither empty nor a comment (#); false at the end. Throws InputError
  // where a line is over 4 MiB, or 16 MiB of others come before it.
  bool next();
  const std::string& line() const { return line_; }
  std::string where() const;  // "conv.csv:7"
  [[noreturn]] void fail(const std::string& what) const;

 private:
  bool next_line();
  std::string name_;
  sim::io::PackedStream stream_;
  std::string line_;
  std::size_t number_ = 0;
};

class CsvRows {
 public:
  // Reads the header. Throws InputError where there is none, or a column stands in it twice.
  explicit CsvRows(const std::filesystem::path& file);
  bool next();  // throws InputError where a row has another number of values
  std::optional<std::size_t> find(std::string_view column) const;
  // Throws InputError where it is missing; `others`: what others call it, for the message.
  std::size_t column(std::string_view name,
                     std::initializer_list<std::string_view> others = {}) const;
  std::string_view text(std::size_t column) const { return values_[column]; }
  // Throw InputError "conv.csv:7: NAME: expected …, not "abc"".
  double number(std::size_t column) const;
  std::int64_t tokens(std::size_t column) const;  // from 0 to 2^31
  std::int64_t integer(std::size_t column) const;
  const TextRows& rows() const { return rows_; }

 private:
  [[noreturn]] void expected(std::size_t column, std::string_view what) const;
  TextRows rows_;
  std::vector<std::string> columns_;
  std::vector<std::string_view> values_;
};

}  // namespace moesim::workloads::serving
