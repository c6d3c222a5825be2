// What moesim-gpu is asked to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace moesim::validation::cuda {

struct CommandLine {
  std::string command;  // "info", "selftest", "run", "help"
  std::string plan, out;
  double budget_seconds = 240;
  std::uint64_t seed = 1;
  bool small = false;
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws UsageError.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

inline constexpr const char* kUsage =
    "usage: moesim-gpu info\n"
    "       moesim-gpu selftest [--seed N] [--small]\n"
    "       moesim-gpu run --plan PLAN.csv --out POINTS.csv [--budget 240s] [--seed N]\n"
    "exit: 0 done, 1 failed, 2 usage, 4 the plan cannot be read, 5 the budget was too short for "
    "all\n"
    "points, 77 there is no GPU\n";

}  // namespace moesim::validation::cuda
