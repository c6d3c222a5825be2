#include "tools/study/model_factor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "sim/error.h"
#include "tools/study/range_end.h"
#include "workloads/report/structure.h"

namespace moesim::tools {
namespace {

constexpr std::string_view kPrefix = "factor.", kStructure = "structure", kDeviations = " sd";

std::optional<std::size_t> model_of(std::string_view name) {
  const auto found = std::ranges::find(workloads::kFactorNames, name);
  if (found == workloads::kFactorNames.end()) return {};
  return static_cast<std::size_t>(found - workloads::kFactorNames.begin());
}

}  // namespace

std::vector<std::string> model_factor_keys() {
  std::vector<std::string> keys;
  for (const std::string_view name : workloads::kFactorNames)
    keys.push_back(fmt::format("{}{}", kPrefix, name));
  keys.push_back(fmt::format("{}{}", kPrefix, kStructure));
  return keys;
}

bool is_model_factor(std::string_view text) {
  return text.starts_with(kPrefix);
}

Factor read_model_factor(std::string_view text, const std::string& where) {
  const std::size_t equals = text.find('=');
  const std::string_view key = text.substr(0, equals), name = key.substr(kPrefix.size());
  if (!model_of(name) && name != kStructure) {
    const std::vector<std::string> keys = model_factor_keys();
    throw sim::ConfigError(fmt::format("{}: there is no cost model \"{}\": expected {} or {}",
                                       where, name, fmt::join(keys.begin(), keys.end() - 1, ", "),
                                       keys.back()));
  }
  if (equals == std::string_view::npos) {
    return {.key = std::string(key),
            .low = -workloads::kTenthDeviation,
            .high = workloads::kTenthDeviation,
            .unit = std::string(kDeviations)};
  }
  Factor factor = read_range_or_list(text, where);
  for (const double end : {0.0, 1.0}) {
    const auto value = read_range_end(value_at(factor, end));
    if (!value || !value->unit.empty() || value->number <= 0) {
      throw sim::ConfigError(
          fmt::format("{}: {}: expected numbers above 0, of which 1 is what the model says, not "
                      "\"{}\"",
                      where, key, text.substr(equals + 1)));
    }
  }
  return factor;
}

Doubt::Draw draw_of(std::span<const std::string> sets) {
  Doubt::Draw draw;
  for (const std::string_view set : sets) {
    const std::size_t equals = set.find('=');
    const auto model = model_of(set.substr(0, equals).substr(kPrefix.size()));
    const bool is_deviation = set.ends_with(kDeviations);
    double value = 0;
    std::from_chars(set.data() + equals + 1, set.data() + set.size(), value);
    if (!model) {
      draw.structure = is_deviation ? value : std::log(value) / workloads::kStepStructure;
    } else if (is_deviation) {
      draw.models[*model] = value;
    } else {
      draw.longer[*model] = value - 1;
    }
  }
  return draw;
}

}  // namespace moesim::tools
