// The checks of every kernel in the emulator: emulated_kernels forward|warps|reverse_warps
// eager|lazy
#include <cstdio>
#include <exception>
#include <string>

#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/selftest.h"

int main(int argc, char** argv) {
  using namespace moesim::validation::cuda;
  const std::string order = argc > 1 ? argv[1] : "forward", engine = argc > 2 ? argv[2] : "lazy";
  emulation::EmulatedMachine machine(
      {order == "warps"           ? emulation::Order::Warps
       : order == "reverse_warps" ? emulation::Order::ReverseWarps
                                  : emulation::Order::Forward,
       engine == "eager" ? emulation::Engine::Eager : emulation::Engine::Lazy});
  int compared = 0;
  try {
    const bool ok = selftest(machine, SelftestSize::Emulated, 1, [&](const Check& check) {
      if (check.skipped.empty()) ++compared;
      std::printf("%-7s %9.2e (at most %.1e) %s %s%s\n",
                  !check.skipped.empty() ? "skipped"
                  : check.ok()           ? "ok"
                                         : "WRONG",
                  check.error, check.bound, check.name.c_str(), check.trouble.c_str(),
                  check.skipped.c_str());
    });
    return ok && compared >= 40 ? 0 : 1;
  } catch (const std::exception& error) {
    std::printf("WRONG   %s\n", error.what());
    return 1;
  }
}
