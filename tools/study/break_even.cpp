#include "tools/study/break_even.h"

#include <fmt/format.h>

#include <cmath>

#include "sim/error.h"
#include "tools/study/range_end.h"

namespace moesim::tools {
namespace {

constexpr int kPoints = 17;
constexpr double kWithin = 1.01;

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

BreakEven break_even(const BreakEvenRange& range, const std::function<bool(double)>& holds) {
  const auto rounded = [&](double value) { return range.whole ? std::round(value) : value; };
  BreakEven found;
  double before = range.low;
  bool was = holds(before);
  found.holds_at_low = was;
  for (int i = 1; i < kPoints; ++i) {
    const double part = static_cast<double>(i) / (kPoints - 1);
    const double value =
        i == kPoints - 1 ? range.high : rounded(range.low * std::pow(range.high / range.low, part));
    if (value <= before) continue;  // of few whole numbers some are named twice
    const bool is = holds(value);
    if (is != was) {
      Crossing crossing{.before = before, .after = value, .holds_after = is};
      while (range.whole ? crossing.after > crossing.before + 1
                         : crossing.after > kWithin * crossing.before) {
        double middle = rounded(std::sqrt(crossing.before * crossing.after));
        if (range.whole && (middle <= crossing.before || middle >= crossing.after))
          middle = crossing.before + 1;
        (holds(middle) == was ? crossing.before : crossing.after) = middle;
      }
      found.crossings.push_back(crossing);
    }
    before = value;
    was = is;
  }
  found.holds_at_high = was;
  return found;
}

}  // namespace moesim::tools
