#include "workloads/serving/requests/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "sim/io/json.h"

namespace moesim::workloads::serving {
namespace {

constexpr double kQuantile90 = 1.2815515655446004;  // of the normal distribution
constexpr double kQuantile9999 = 3.7190164854556804;

double sigma(const Lengths& l) {
  return std::log(l.p90 / l.median) / kQuantile90;
}

// "{45: 0.0097, 46: 0.0117}", a dictionary as Python prints it.
void add_dictionary(std::string_view text, const std::string& where,
                    std::map<std::int64_t, double>& chances) {
  const auto fail = [&](std::string_view rest) {
    throw sim::InputError(fmt::format("{}: expected \"{{tokens: chance, ...}}\", not \"{}\"", where,
                                      rest.substr(0, 20)));
  };
  const auto skip = [&] {
    while (!text.empty() && (text.front() == ' ' || text.front() == ',')) text.remove_prefix(1);
  };
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') fail(text);
  text = text.substr(1, text.size() - 2);
  for (skip(); !text.empty(); skip()) {
    std::int64_t tokens = 0;
    double chance = 0;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, tokens);
    if (first.ec != std::errc{} || tokens < 0 || first.ptr == end || *first.ptr != ':') fail(text);
    const char* value = first.ptr + 1;
    while (value != end && *value == ' ') ++value;
    const auto second = std::from_chars(value, end, chance);
    if (second.ec != std::errc{} || !(chance >= 0) || chance > 1e9) fail(text);
    chances[std::max<std::int64_t>(tokens, 1)] += chance;
    text.remove_prefix(static_cast<std::size_t>(second.ptr - text.data()));
  }
}

}  // namespace

double Lengths::mean() const {
  switch (law) {
    case LengthLaw::Constant:
      return static_cast<double>(low);
    case LengthLaw::Uniform:
      return static_cast<double>(low + high) / 2;
    case LengthLaw::LogNormal:
      return median * std::exp(sigma(*this) * sigma(*this) / 2);
    case LengthLaw::Table:
      return std::accumulate(values.begin(), values.end(), 0.0) /
             static_cast<double>(values.size());
    case LengthLaw::Histogram:
      break;
  }
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += static_cast<double>(values[i]) * (below[i] - (i == 0 ? 0 : below[i - 1]));
  }
  return sum;
}

std::int64_t Lengths::largest() const {
  switch (law) {
    case LengthLaw::Constant:
      return low;
    case LengthLaw::Uniform:
      return high;
    case LengthLaw::LogNormal:
      return std::llround(median * std::exp(sigma(*this) * kQuantile9999));
    case LengthLaw::Table:
    case LengthLaw::Histogram:
      break;
  }
  return *std::max_element(values.begin(), values.end());
}

std::int64_t Lengths::draw(sim::Random& random) const {
  switch (law) {
    case LengthLaw::Constant:
      return low;
    case LengthLaw::Uniform:
      return low +
             static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
    case LengthLaw::LogNormal:
      return std::max<std::int64_t>(
          1, std::llround(median * std::exp(sigma(*this) * random.normal())));
    case LengthLaw::Table:
      return values[random.below(values.size())];
    case LengthLaw::Histogram:
      break;
  }
  const auto found = std::upper_bound(below.begin(), below.end(), random.uniform());
  return values[std::min(static_cast<std::size_t>(found - below.begin()), values.size() - 1)];
}

Lengths constant_length(std::int64_t tokens) {
  return {.law = LengthLaw::Constant, .low = tokens, .high = tokens};
}

Lengths uniform_length(std::int64_t low, std::int64_t high) {
  return {.law = LengthLaw::Uniform, .low = low, .high = high};
}

Lengths length_table(const std::filesystem::path& file, std::string_view column) {
  const auto table = sim::io::CsvTable::read(file);
  const std::size_t place = table.column(column);
  Lengths lengths{.law = LengthLaw::Table, .file = file};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::int64_t tokens = table.integer(row, place);
    if (tokens < 0 || tokens > (std::int64_t{1} << 31)) {
      throw sim::InputError(fmt::format("{}: {}: expected a number of tokens, not {}",
                                        table.where(row), column, tokens));
    }
    lengths.values.push_back(std::max<std::int64_t>(tokens, 1));
  }
  if (lengths.values.empty()) {
    throw sim::InputError(fmt::format("{}: has no rows to draw lengths from", table.name()));
  }
  return lengths;
}

Lengths length_histogram(const std::filesystem::path& file, std::string_view key) {
  const std::string name = file.generic_string();
  const sim::io::Json json = sim::io::read_json(file);
  std::map<std::int64_t, double> chances;
  if (!json.is_object()) throw sim::InputError(name + ": expected an object of windows");
  for (const auto& [window, content] : json.items()) {
    if (!content.is_object() || !content.contains(key) || !content[key].is_string()) {
      throw sim::InputError(fmt::format("{}: {}: expected a text \"{}\"", name, window, key));
    }
    add_dictionary(content[key].get<std::string>(), fmt::format("{}: {}.{}", name, window, key),
                   chances);
  }
  double sum = 0;
  for (const auto& [tokens, chance] : chances) sum += chance;
  if (!(sum > 0)) throw sim::InputError(fmt::format("{}: no window has any {}", name, key));
  Lengths lengths{.law = LengthLaw::Histogram, .file = file};
  double below = 0;
  for (const auto& [tokens, chance] : chances) {
    below += chance / sum;
    lengths.values.push_back(tokens);
    lengths.below.push_back(below);
  }
  return lengths;
}

}  // namespace moesim::workloads::serving
