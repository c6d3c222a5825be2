// How many tokens prompts and outputs have.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sim/random.h"

namespace moesim::workloads::serving {

enum class LengthLaw { Constant, Uniform, LogNormal, Table, Histogram };
inline constexpr std::array<std::string_view, 5> kLengthLawNames{
    "constant", "uniform", "log_normal", "table", "histogram"};

struct Lengths {
  LengthLaw law = LengthLaw::Constant;
  std::int64_t low = 1, high = 1;         // constant: low; uniform: both ends may be drawn
  double median = 1, p90 = 1;             // log_normal: rounded, at least 1
  std::filesystem::path file = {};        // table, histogram
  std::vector<std::int64_t> values = {};  // table: one as likely as another; histogram: ascending
  std::vector<double> below = {};         // histogram: the chance of a value up to this one

  double mean() const;
  std::int64_t largest() const;  // that is likely: log_normal's 1 - 1e-4
  std::int64_t draw(sim::Random& random) const;
};

Lengths constant_length(std::int64_t tokens);
Lengths uniform_length(std::int64_t low, std::int64_t high);

// A column of a table, `input_length` and the like. Throws InputError where it is missing, empty or
// holds what is no length.
Lengths length_table(const std::filesystem::path& file, std::string_view column);
// A ServeGen file: {"0": {"input_tokens": "{45: 0.0097, …}", …}, "21600": …}, by windows of time,
// which count alike. Throws InputError.
Lengths length_histogram(const std::filesystem::path& file, std::string_view key);

}  // namespace moesim::workloads::serving
