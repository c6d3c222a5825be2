#include "validation/tables/table_reader.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "sim/error.h"
#include "validation/tables/words.h"

namespace moesim::validation {
namespace {

using hardware::Precision;

// What public tables call formats of weights and how they are computed with: the nearest of ours.
constexpr std::array<std::pair<std::string_view, Precision>, 27> kSpellings{{
    {"auto", Precision::BF16},
    {"fp8_static", Precision::FP8},
    {"fp8_ootb", Precision::FP8},
    {"fp8_e4m3", Precision::FP8},
    {"fp8_per_token", Precision::FP8},
    {"float8_e4m3fn", Precision::FP8},
    {"fp8_block_wise", Precision::FP8Block},
    {"sq", Precision::INT8},  // SmoothQuant: 8 bits on both sides
    {"w8a8", Precision::INT8},
    {"int8_wo", Precision::INT8},
    {"int4_wo", Precision::INT4},
    {"w4a16", Precision::INT4},
    {"w4afp8", Precision::INT4},
    {"w4a16_mxfp4", Precision::MXFP4},
    {"w4a8_mxfp4_mxfp8", Precision::MXFP4},
    {"fp4", Precision::NVFP4},
    {"fp8_e5m2", Precision::FP8},
    {"float8_e5m2", Precision::FP8},
    {"fp8_per_tensor", Precision::FP8},
    {"fp8_per_channel", Precision::FP8},
    {"w8a8_fp8", Precision::FP8},
    {"awq", Precision::INT4},  // groups of 128 weights share a scale, activations in 16 bits
    {"gptq", Precision::INT4},
    {"awq_marlin", Precision::INT4},
    {"gptq_marlin", Precision::INT4},
    {"w4a16_mxfp4_cutlass", Precision::MXFP4},
    {"w4a8_mxfp4_mxfp8_trtllm", Precision::MXFP4},
}};

}  // namespace

void TableReader::fail(std::size_t row, std::string_view column, const std::string& what) const {
  throw sim::InputError(fmt::format("{}: {}: expected {}, not \"{}\"", table_.where(row), column,
                                    what, table_.text(row, table_.column(column))));
}

std::int64_t TableReader::count(std::size_t row, std::string_view column,
                                std::int64_t least) const {
  const std::int64_t value = table_.integer(row, table_.column(column));
  constexpr std::int64_t kMost = std::int64_t{1} << 40;  // products of three stay below 2^120
  if (value < least || value > kMost)
    fail(row, column, fmt::format("a whole number from {} to {}", least, kMost));
  return value;
}

std::string_view TableReader::text(std::size_t row, std::string_view column) const {
  return table_.text(row, table_.column(column));
}

std::string_view TableReader::word(std::size_t row, std::string_view column) const {
  const std::string_view found = text(row, column);
  if (found.empty()) fail(row, column, "a word");
  return found;
}

void TableReader::guess(std::size_t row, std::string_view column, std::string_view taken) const {
  std::string& all = guesses_[row];
  all += fmt::format("{}{} \"{}\" read as {}", all.empty() ? "" : "; ", column, text(row, column),
                     taken);
}

void TableReader::set_apart(std::size_t row, std::string_view column, std::string_view is) const {
  throw NothingNear{fmt::format("{} \"{}\" {}", column, text(row, column), is)};
}

std::string TableReader::guess_of(std::size_t row) const {
  const auto found = guesses_.find(row);
  return found == guesses_.end() ? std::string() : found->second;
}

hardware::Precision TableReader::precision(std::size_t row, std::string_view column) const {
  const std::string_view name = text(row, column);
  if (name.empty()) fail(row, column, "a number format such as bfloat16, fp8 or fp8_block");
  if (const auto parsed = hardware::parse_precision(name)) return *parsed;
  for (const auto& [spelling, precision] : kSpellings)
    if (name == spelling) return precision;
  const std::optional<Precision> nearest = nearest_precision(name);
  if (!nearest) set_apart(row, column);
  guess(row, column, name_of(*nearest));
  return *nearest;
}

double TableReader::time_us(std::size_t row, std::string_view column, bool zero_allowed) const {
  const auto at = table_.find_column(column);
  if (!at || table_.text(row, *at).empty()) return 0;
  const double value = table_.number(row, *at);
  if (!(value > 0 || (zero_allowed && value == 0)))
    fail(row, column, "a time above zero, in microseconds");
  return value;
}

Item TableReader::item(std::size_t row, std::string_view time_column) const {
  Item item;
  item.row = row;
  item.line = table_.line(row);
  item.measured_us = time_us(row, time_column);
  if (has("anomalous")) item.anomalous = count(row, "anomalous", 0) != 0;
  return item;
}

}  // namespace moesim::validation
