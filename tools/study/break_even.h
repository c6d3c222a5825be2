// Where a condition begins or ceases to hold, along one quantity: "from 612 Gbit/s on EP 16 beats
// EP 8". A function of values: what the condition is, others know.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moesim::tools {

// A quantity that is asked from one end to the other: "100 Gbit/s..3200 Gbit/s".
struct BreakEvenRange {
  std::string key = {};
  double low = 0, high = 0;
  std::string unit = {};  // of both, with the space before it; empty: none
  bool whole = false;     // only whole numbers
};

// "KEY=LOW..HIGH". Throws ConfigError: `where: …`.
BreakEvenRange read_break_even_range(std::string_view text, const std::string& where);

// As a scenario says it: "612.5 Gbit/s".
std::string text_of(const BreakEvenRange& range, double value);

struct Crossing {
  // Differ by 1 %, or are whole numbers with none between them that has an answer.
  double before = 0, after = 0;
  bool holds_after = false;
};

struct BreakEven {
  bool holds_at_low = false, holds_at_high = false;
  std::vector<Crossing> crossings = {};  // ascending
};

// Asks at 17 points, even in the logarithm, and halves between two that differ. Two changes between
// neighbouring points go unseen. `holds` is asked once for each value; where it has no answer the
// nearest whole number that has one takes its place, else the value is left out.
// Throws ConfigError where there is none at or near the low end.
BreakEven break_even(const BreakEvenRange& range,
                     const std::function<std::optional<bool>(double)>& holds);

}  // namespace moesim::tools
