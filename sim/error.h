// What can go wrong, by whose fault it is.
//
// A user's mistake is an exception derived from Error; it carries the exit code that the program
// ends with. A mistake of ours is a failed SIM_CHECK (sim/check.h), which aborts.
#pragma once

#include <stdexcept>
#include <string>

namespace moesim::sim {

// The exit codes of the program; scripts rely on them.
enum class ExitCode {
  Ok = 0,
  Failed = 1,         // it ran, and the answer is no: a check that does not hold
  Configuration = 2,  // usage, or a configuration that is wrong
  Infeasible = 3,     // does not fit, no plan meets the target
  DamagedInput = 4,   // a file that cannot be read, or is not what it says
  Partial = 5,        // some of the results are there
  Skipped = 77,       // nothing to run it on (no GPU)
  Interrupted = 130,
};

class Error : public std::runtime_error {
 public:
  // What of the message cannot be printed (it may quote a damaged file) is written as \xNN.
  Error(ExitCode code, const std::string& message);
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// A configuration or a command line that is wrong. The message says where (file:line:col), what
// was found and what would do.
struct ConfigError : Error {
  explicit ConfigError(const std::string& message) : Error(ExitCode::Configuration, message) {}
};

// A file that is missing, damaged, or not what it says it is.
struct InputError : Error {
  explicit InputError(const std::string& message) : Error(ExitCode::DamagedInput, message) {}
};

// A request that is well formed and cannot be met: it does not fit, no plan reaches the target.
struct InfeasibleError : Error {
  explicit InfeasibleError(const std::string& message) : Error(ExitCode::Infeasible, message) {}
};

// No event is left and something is unfinished. The message names what.
struct DeadlockError : Error {
  explicit DeadlockError(const std::string& message) : Error(ExitCode::Failed, message) {}
};

}  // namespace moesim::sim
