// The list of checks: every kernel, on sizes for the emulator or for a GPU.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/kernel_record.h"

namespace moesim::validation::cuda {

enum class SelftestSize { Emulated, Full };

struct SelftestStep {
  std::string kernel;  // as a record calls it (kernel_record.h)
  std::function<Check(Machine&, std::uint64_t seed)> check;
};
std::vector<SelftestStep> selftest_steps(SelftestSize size);

// Makes the check with fresh input (each step has its own). What the machine throws becomes the
// check's trouble, in which it names the kernel.
Check run_step(Machine& machine, const std::vector<SelftestStep>& steps, std::size_t step,
               std::uint64_t seed);

// Hears of each check before and after it, and of each kernel before it runs (may be empty).
struct SelftestListener {
  std::function<void(std::size_t step)> begin;
  std::function<void(const std::string& kernel)> at;
  std::function<void(std::size_t step, const Check&)> done;
};

// The checks from one on, but for those of kernels that the record leaves out: they are skipped.
// What fails is put on the record.
void run_selftest(Machine& machine, const std::vector<SelftestStep>& steps, std::size_t from,
                  std::uint64_t seed, KernelRecord& record, const SelftestListener& listener);

// All of them, whatever fails; calls `report` after each. Returns whether all passed (skipped ones
// do not count against it).
bool selftest(Machine& machine, SelftestSize size, std::uint64_t seed,
              const std::function<void(const Check&)>& report);

}  // namespace moesim::validation::cuda
