// Work in steps that may take its process with it: a kernel that hangs, or that leaves the GPU's
// context unusable. A worker does the steps one after another and says so; when it falls silent or
// dies, its step is lost, and a fresh worker goes on with the next.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "validation/cuda/protocol/messages.h"

namespace moesim::validation::cuda {

// A worker ends with this when what it has told is true, and the rest wants a fresh process.
inline constexpr int kStartAgain = 75;

struct Loss {
  std::int64_t step = 0;
  std::string what;    // the step, as the worker called it
  std::string kernel;  // that it was at last; empty: it had not said
  std::string why;
  enum class How { Hung, Died, TimeUp } how = How::Died;  // Hung: no answer for all the patience
};

struct Supervision {
  // The worker that begins with this step: program and arguments. It prints messages (messages.h)
  // on its standard output; other lines are handed on to standard error.
  std::function<std::vector<std::string>(std::int64_t from)> command;
  std::int64_t first = 0,
               steps = 0;        // from which step on, and how many there are with those before
  double patience_seconds = 60;  // without a message
  // When all must have ended, in seconds from the start; 0: whenever it is done.
  double most_seconds = 0;
  std::function<void(const Message&)> heard;  // notes, and steps that are done
  std::function<void(const Loss&)> lost;      // a step without a result
};

struct SupervisionEnd {
  int exit_code = 0;    // of the last worker; 0 where its last step took it with it
  std::string gave_up;  // why, where workers die before they begin a step; empty: they did not
  bool time_up = false;
};

// Returns when a worker ends by itself, all steps are done or lost, the time is up, or two workers
// running did nothing. Throws std::runtime_error where no process can be started, and what `heard`
// throws; no worker is left then.
SupervisionEnd supervise(const Supervision& work);

}  // namespace moesim::validation::cuda
