// Stands for moesim-gpu where the guide is tried: its own commands, on a card that does not exist,
// so that what comes after a measurement has something to work on.
#include <unistd.h>

#include <array>

#include "tests/cuda/made_up_card.h"
#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/program.h"

namespace {

using namespace moesim::validation::cuda;

// Selftests are small ones, and leave out what the emulator takes long for.
class QuickMachine : public emulation::EmulatedMachine {
 public:
  std::optional<Unsupported> cannot(const Operation& operation) const override {
    if (std::holds_alternative<GroupedGemm>(operation) ||
        std::holds_alternative<GroupedGemmFp8Args>(operation) ||
        std::holds_alternative<AttentionArgs>(operation) ||
        std::holds_alternative<AttentionPrefillArgs>(operation)) {
      return Unsupported{"left out"};
    }
    return EmulatedMachine::cannot(operation);
  }
};

}  // namespace

int main(int argc, char** argv) {
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 1;
  std::vector<std::string> arguments{argv + 1, argv + argc};
  const bool selftest = !arguments.empty() && arguments[0] == "selftest";
  if (selftest) arguments.push_back("--small");
  return gpu_program(
      self.data(), arguments,
      {.look = [] { return Availability{}; },
       .make = [&]() -> std::unique_ptr<Machine> {
         if (selftest) return std::make_unique<QuickMachine>();
         return std::make_unique<moesim::tests::MadeUpCardMachine>("made-up card like an H100");
       }});
}
