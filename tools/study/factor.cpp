#include "tools/study/factor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "sim/error.h"
#include "tools/study/axis.h"
#include "tools/study/model_factor.h"
#include "tools/study/range_end.h"

namespace moesim::tools {
namespace {

// "LOW..HIGH", "LOW..HIGH~"; whether it is a range at all.
bool read_range(std::string_view text, Factor& factor) {
  factor.logarithmic = text.ends_with('~');
  if (factor.logarithmic) text.remove_suffix(1);
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  const auto low = read_range_end(text.substr(0, dots)),
             high = read_range_end(text.substr(dots + 2));
  if (!low || !high || high->unit.find_first_of("*+~") != std::string::npos) return false;
  if ((!low->unit.empty() && low->unit != high->unit) || !(low->number < high->number) ||
      (factor.logarithmic && low->number <= 0))
    return false;
  factor.low = low->number;
  factor.high = high->number;
  factor.unit = high->unit;
  factor.whole = low->whole && high->whole;
  return true;
}

}  // namespace

Factor read_factor(std::string_view text, const std::string& where) {
  return is_model_factor(text) ? read_model_factor(text, where) : read_range_or_list(text, where);
}

Factor read_range_or_list(std::string_view text, const std::string& where) {
  const std::size_t equals = text.find('=');
  Factor factor;
  if (equals != std::string_view::npos && equals > 0) {
    factor.key = std::string(text.substr(0, equals));
    const std::string_view values = text.substr(equals + 1);
    if (read_range(values, factor)) return factor;
    const bool is_range = values.find("..") != std::string_view::npos;
    const bool is_list =
        !is_range || values.find_first_of("*+~", values.find("..")) < values.size() - 1;
    if (is_list && !values.empty()) {
      factor.values = read_values(values, where);
      factor.logarithmic = false;
      if (factor.values.size() > 1) return factor;
    }
  }
  throw sim::ConfigError(fmt::format(
      "{}: expected KEY=LOW..HIGH in one unit, the lower first (LOW..HIGH~: even in the "
      "logarithm, above 0), or KEY=VALUE,VALUE, such as "
      "cluster.scale_out.bandwidth=100 Gbit/s..400 Gbit/s, not \"{}\"",
      where, text));
}

std::string value_at(const Factor& factor, double u) {
  if (!factor.values.empty()) {
    const auto n = static_cast<double>(factor.values.size());
    return factor.values[static_cast<std::size_t>(std::min(std::floor(u * n), n - 1))];
  }
  if (factor.whole && !factor.logarithmic) {
    const double n = factor.high - factor.low + 1;
    return range_end_text(factor.low + std::min(std::floor(u * n), n - 1), factor.unit, true);
  }
  const double value = factor.logarithmic ? factor.low * std::pow(factor.high / factor.low, u)
                                          : factor.low + u * (factor.high - factor.low);
  return range_end_text(factor.whole ? std::round(value) : value, factor.unit, factor.whole);
}

}  // namespace moesim::tools
