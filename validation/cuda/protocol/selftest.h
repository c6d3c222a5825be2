// The list of checks: every kernel, on sizes for the emulator or for a GPU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "validation/cuda/protocol/checks.h"

namespace moesim::validation::cuda {

enum class SelftestSize { Emulated, Full };

struct SelftestStep {
  std::string kernel;  // "grouped GEMM moesim_wgmma"
  std::function<Check(Machine&, std::uint64_t seed)> check;
};
std::vector<SelftestStep> selftest_steps(SelftestSize size);

// Makes the check with fresh input (each step has its own). What the machine throws becomes the
// check's trouble, in which it names the kernel.
Check run_step(Machine& machine, const std::vector<SelftestStep>& steps, std::size_t step,
               std::uint64_t seed);

// All of them; calls `report` after each. Returns whether all passed (skipped ones do not count
// against it).
bool selftest(Machine& machine, SelftestSize size, std::uint64_t seed,
              const std::function<void(const Check&)>& report);

}  // namespace moesim::validation::cuda
