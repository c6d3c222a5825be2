// What moesim-gpu is asked to do.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace moesim::validation::cuda {

inline constexpr double kRunBudget = 240;

struct CommandLine {
  std::string command;  // "info", "selftest", "run", "help"
  std::string plan, out;
  std::string json;                      // where a selftest's results go too
  std::optional<double> budget_seconds;  // kRunBudget of a run where it is not given
  double patience_seconds = 60;          // with one check or point
  std::uint64_t seed = 1;
  bool small = false, one_process = false;
  std::vector<std::string> without;  // kernels that are left out
  bool resume = false;               // a run goes on where the points end that are there
  std::int64_t from = -1;            // of a worker: the step to begin with
  std::string record;                // and what is known of the kernels (KernelRecord)
};

struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws UsageError.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

inline constexpr const char* kUsage =
    "usage: moesim-gpu info\n"
    "       moesim-gpu selftest [--small] [--json FILE] [--seed N] [--patience 60s] "
    "[--budget TIME]\n"
    "                  [--without KERNEL[,KERNEL...]] [--one-process]\n"
    "       moesim-gpu run --plan PLAN.csv --out POINTS.csv [--budget 240s] [--seed N] "
    "[--patience 60s]\n"
    "                  [--without KERNEL[,KERNEL...]] [--resume]\n"
    "A check or a point that gives no answer within the patience fails, and the next goes on in a\n"
    "fresh process. A kernel that hung once or was wrong twice is not asked again. --resume goes "
    "on\n"
    "where POINTS.csv (or POINTS.csv.partial) ends; --one-process makes all checks in this one, "
    "for "
    "a\nmemory checker.\n"
    "exit: 0 done, 1 failed, 2 usage, 4 the plan or the points to go on with cannot be read, 5 "
    "the\n"
    "budget was too short for all points, 77 there is no GPU\n";

}  // namespace moesim::validation::cuda
