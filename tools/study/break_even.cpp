#include "tools/study/break_even.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "sim/error.h"
#include "tools/study/range_end.h"

namespace moesim::tools {
namespace {

constexpr int kPoints = 17;
constexpr double kWithin = 1.01;
constexpr int kAway = 32;  // that a whole number is looked for, each way

}  // namespace

BreakEvenRange read_break_even_range(std::string_view text, const std::string& where) {
  const std::size_t equals = text.find('='), dots = text.find("..", std::min(equals, text.size()));
  if (equals != std::string_view::npos && equals > 0 && dots != std::string_view::npos) {
    const auto low = read_range_end(text.substr(equals + 1, dots - equals - 1));
    const auto high = read_range_end(text.substr(dots + 2));
    if (low && high && (low->unit.empty() || low->unit == high->unit) && low->number > 0 &&
        low->number < high->number) {
      return {.key = std::string(text.substr(0, equals)),
              .low = low->number,
              .high = high->number,
              .unit = high->unit,
              .whole = low->whole && high->whole};
    }
  }
  throw sim::ConfigError(
      fmt::format("{}: expected KEY=LOW..HIGH above 0, the lower first, in one unit, such as "
                  "cluster.scale_out.bandwidth=100 Gbit/s..3200 Gbit/s, not \"{}\"",
                  where, text));
}

std::string text_of(const BreakEvenRange& range, double value) {
  return range_end_text(value, range.unit, range.whole);
}

BreakEven break_even(const BreakEvenRange& range,
                     const std::function<std::optional<bool>(double)>& holds) {
  const auto rounded = [&](double value) { return range.whole ? std::round(value) : value; };
  std::map<double, std::optional<bool>> known;
  const auto ask = [&](double value) {
    const auto found = known.find(value);
    return found != known.end() ? found->second : known.emplace(value, holds(value)).first->second;
  };
  // The value, or of whole numbers the nearest one, that has an answer, between these.
  const auto nearest = [&](double value, double above, double below) -> std::optional<double> {
    for (int away = 0; away <= (range.whole ? kAway : 0); ++away)
      for (const double one : {value - away, value + away})
        if (one > above && one < below && ask(one)) return one;
    return {};
  };
  BreakEven found;
  const auto low = nearest(range.low, range.low - 1, range.high);
  if (!low)
    throw sim::ConfigError(fmt::format("{}: neither {} nor a value near it can be asked", range.key,
                                       text_of(range, range.low)));
  double before = *low;
  bool was = *ask(before);
  found.holds_at_low = was;
  for (int i = 1; i < kPoints; ++i) {
    const double part = static_cast<double>(i) / (kPoints - 1);
    const double point =
        i == kPoints - 1 ? range.high : rounded(range.low * std::pow(range.high / range.low, part));
    if (point <= before) continue;  // of few whole numbers some are named twice
    const auto value = nearest(point, before, range.high + 1);
    if (!value) continue;
    const bool is = *ask(*value);
    if (is != was) {
      Crossing crossing{.before = before, .after = *value, .holds_after = is};
      while (range.whole ? crossing.after > crossing.before + 1
                         : crossing.after > kWithin * crossing.before) {
        double point_between = rounded(std::sqrt(crossing.before * crossing.after));
        if (range.whole && (point_between <= crossing.before || point_between >= crossing.after))
          point_between = crossing.before + 1;
        const auto middle = nearest(point_between, crossing.before, crossing.after);
        if (!middle) break;
        (*ask(*middle) == was ? crossing.before : crossing.after) = *middle;
      }
      found.crossings.push_back(crossing);
    }
    before = *value;
    was = is;
  }
  found.holds_at_high = was;
  return found;
}

}  // namespace moesim::tools
