// A command called as the program calls it: what was not said has its fallback.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tools/moesim/command.h"

namespace moesim::tests {

using Values = std::map<std::string, std::vector<std::string>>;

struct Called {
  sim::ExitCode code;
  std::string out, err;
};

inline Called call(
    const tools::Command& command, Values values,
    const std::function<bool()>& interrupted = [] { return false; }) {
  for (const tools::Option& option : command.options) {
    if (option.fallback.empty()) continue;
    const std::string name = option.name.substr(option.name.rfind(',') + 1);  // of "-j,--jobs"
    values.try_emplace(name.substr(std::min(name.find_first_not_of('-'), name.size())),
                       std::vector{option.fallback});
  }
  std::ostringstream out, err;
  const sim::ExitCode code =
      command.run({std::move(values)}, {.out = out, .err = err, .interrupted = interrupted});
  return {code, out.str(), err.str()};
}

// What it prints where all is well.
inline std::string printed(const tools::Command& command, const Values& values) {
  const Called called = call(command, values);
  CHECK(called.code == sim::ExitCode::Ok);
  return called.out;
}

}  // namespace moesim::tests
