// The commands of the program (program.h): what a worker does, and what its supervisor does with
// it.
#pragma once

#include <string>

#include "validation/cuda/protocol/command_line.h"
#include "validation/cuda/protocol/kernel_record.h"
#include "validation/cuda/protocol/machine.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

// Each returns the exit code of the process.
int selftest_worker(Machine& machine, const CommandLine& line);
int selftest_alone(Machine& machine, const CommandLine& line);  // no supervisor, no worker
int supervise_selftest(const std::string& self, const CommandLine& line);
int run_worker(Machine& machine, const CommandLine& line, const std::string& self);
int supervise_run(const std::string& self, const CommandLine& line);

// What they share.
double seconds_now();
void print(const std::string& text);  // at once
void say(const std::string& kind, std::int64_t step, const std::string& text);
// Ends the process at once: a broken context may not let itself be cleared away.
[[noreturn]] void start_again();
KernelRecord record_of(const CommandLine& line);
Plan load_plan(const std::string& file);  // throws PlanError
// Writes it beside and renames it, so that a reader never sees half. Returns whether it could.
bool replace_file(const std::string& file, const std::string& text);

}  // namespace moesim::validation::cuda
