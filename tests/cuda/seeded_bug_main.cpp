// Runs the checks of one kernel in the emulator, with kernels in which a bug was seeded. Ends with
// 0 and "caught: …" where a check fails, with 1 where all pass.
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>

#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/selftest.h"

namespace {

using namespace moesim::validation::cuda;

// Small, and enough for every way through the kernels: ragged and empty groups, tails, a ring that
// goes round, several tiles a block.
std::string first_failure(Machine& machine, const std::string& kernel) {
  std::uint64_t seed = 1;
  const auto failed = [&](const Check& check) {
    ++seed;
    return check.ok() ? std::string()
                      : check.name + ": error " + std::to_string(check.error) + " " + check.trouble;
  };
  std::string found;
  const auto look = [&](const Check& check) {
    if (found.empty()) found = failed(check);
  };
  const auto gemm = [&](GemmKind kind) {
    for (const GemmCase& c :
         {GemmCase{{3, 0, 70, 1, 0}, 96, 96, 16}, GemmCase{{0, 65, 5}, 136, 336, 64},
          GemmCase{{129, 0, 64}, 264, 656, 128}}) {
      look(check_grouped_gemm(machine, kind, c, seed));
    }
  };
  if (kernel == "mma") gemm(GemmKind::Mma);
  if (kernel == "wgmma") gemm(GemmKind::Wgmma);
  if (kernel == "fp8") gemm(GemmKind::Fp8);
  if (kernel == "router") {
    look(check_router(machine, {{128, 8, false, 1, 1, true, 1}, 9, false, true}, seed));
    look(check_router(machine, {{64, 4, true, 8, 4, true, 2.5}, 9, true, false}, seed));
  }
  if (kernel == "sort") {
    look(check_sort(machine, {300, 8, 0, 256, 256}, seed));
    look(check_sort(machine, {300, 8, 64, 32, 256}, seed));
  }
  if (kernel == "rows") {
    look(check_permute(machine, 7, 4, 2'056, seed));
    look(check_unpermute(machine, 7, 6, 2'056, seed));
    look(check_swiglu(machine, 11, 264, seed));
    look(check_quantise(machine, 7, 296, seed));
  }
  if (kernel == "attention") {
    look(check_attention(machine, {2, 8, 1, 150, 2}, seed));
    look(check_attention(machine, {1, 20, 1, 300, 1}, seed));
  }
  if (kernel == "prefill") {
    look(check_attention_prefill(machine, {2, 6, 2, 70, 70}, seed));  // 32 queries a warp
    look(check_attention_prefill(machine, {1, 4, 2, 5, 133}, seed));
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string kernel = argc > 1 ? argv[1] : "";
  using emulation::Engine, emulation::Order;
  for (const Order order : {Order::ReverseWarps, Order::Warps, Order::Forward}) {
    for (const Engine engine : {Engine::Eager, Engine::Lazy}) {
      emulation::EmulatedMachine machine({order, engine});
      std::string how;
      try {
        how = first_failure(machine, kernel);
      } catch (const std::exception& error) {
        how = error.what();
      }
      const char* orders[] = {"forward", "warps", "reverse warps"};
      std::printf("%s, %s: %s\n", orders[static_cast<int>(order)],
                  engine == Engine::Eager ? "eager" : "lazy",
                  how.empty() ? "not seen" : ("caught: " + how).c_str());
      if (!how.empty()) return 0;
    }
  }
  return 1;
}
