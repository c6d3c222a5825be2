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
  std::string json;  // where a selftest's results go too
  double budget_seconds = 240;
  double patience_seconds = 60;  // with one check or point
  std::uint64_t seed = 1;
  bool small = false, one_process = false;
  std::int64_t from = -1;  // of a worker: the step to begin with
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws UsageError.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

inline constexpr const char* kUsage =
    "usage: moesim-gpu info\n"
    "       moesim-gpu selftest [--small] [--json FILE] [--seed N] [--patience 60s] "
    "[--one-process]\n"
    "       moesim-gpu run --plan PLAN.csv --out POINTS.csv [--budget 240s] [--seed N] "
    "[--patience 60s]\n"
    "A check or a point that gives no answer within the patience fails, and the next goes on in a\n"
    "fresh process; --one-process makes all checks in this one, for a memory checker.\n"
    "exit: 0 done, 1 failed, 2 usage, 4 the plan cannot be read, 5 the budget was too short for "
    "all\n"
    "points, 77 there is no GPU\n";

}  // namespace moesim::validation::cuda
