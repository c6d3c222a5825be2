#include "hardware/device.h"
#include "tests/fuzz/target.h"

namespace moesim::fuzz {

void device(Input input) {
  const InputFile file(input);
  taken([&] { hardware::load_device(file.path()); }, file.path().string());
}

}  // namespace moesim::fuzz
