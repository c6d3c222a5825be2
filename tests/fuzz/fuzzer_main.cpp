// libFuzzer's entry point; compiled once a target, with MOESIM_FUZZ_TARGET its function.
#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  moesim::fuzz::MOESIM_FUZZ_TARGET({data, size});
  return 0;
}
