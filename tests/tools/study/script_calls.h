// What the tests of `moesim sweep script` share.
#pragma once

#include <string>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/thrown.h"
#include "tools/moesim/sweep/sweep_commands.h"

namespace moesim::tests {

// A script for three points: `kind`, and its option with how many.
inline Values three_points(const std::string& kind, const std::string& option,
                           const std::string& count, const Values& more) {
  Values values{{"FILE", {"mixtral-8x7b-decode-h100"}},
                {"vary", {"step.batch_per_rank=1..3"}},
                {kind, {"true"}},
                {option, {count}}};
  for (const auto& [key, value] : more) values[key] = value;
  return values;
}

inline std::string refused_script(const Values& values) {
  return thrown<sim::ConfigError>([&] { call(tools::sweep_script_command(), values); });
}

// Whether it is one of the text's lines, or several in a row.
inline bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace moesim::tests
