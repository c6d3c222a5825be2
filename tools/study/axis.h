// What a study varies: a key of a scenario and the values that it takes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace moesim::tools {

struct Axis {
  std::string key = {};                  // "step.batch_per_rank"
  std::vector<std::string> values = {};  // YAML text of each, in their order
};

// Values from text:
//   a, b, c        one by one
//   1..9           whole numbers, each
//   0..1+0.25      in steps
//   1..256*2       by a factor
//   50..800~9      so many points, even in the logarithm, whole where both ends are
// Ends may have a unit, "100 Gbit/s..3200 Gbit/s*2"; every value then has it. An end that a step
// does not meet is left out. Throws ConfigError: `where: …` says what was found and what would do.
std::vector<std::string> read_values(std::string_view text, const std::string& where);

// "KEY=VALUES" of a command line. Throws ConfigError.
Axis read_axis(std::string_view assignment, const std::string& where);

// The most values of an axis, and points of a study: a mistyped range should not take a day to
// list.
inline constexpr std::size_t kMostValues = 100'000;
inline constexpr std::size_t kMostStudyPoints = 10'000'000;

}  // namespace moesim::tools
