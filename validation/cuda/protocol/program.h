// moesim-gpu but for the GPU: what its commands do on a machine, each in a worker process of its
// own that a supervisor watches (supervisor.h), so that a kernel that hangs or breaks the context
// costs its own step and nothing else.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "validation/cuda/protocol/availability.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

struct ProgramMachine {
  std::function<Availability()> look;  // for a GPU
  std::function<std::unique_ptr<Machine>()> make;
};

// The whole program; returns its exit code. `self` is the program's own file, to start workers
// from.
int gpu_program(const std::string& self, const std::vector<std::string>& arguments,
                const ProgramMachine& machine);

}  // namespace moesim::validation::cuda
