// moesim-gpu with the emulator for a GPU, and with faults that MOESIM_FAULTS names:
// "hang:permute,crash:sort,lose:router,start,none". Products and attention are left out, for speed.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/program.h"

namespace {

using namespace moesim::validation::cuda;

bool asked_for(const std::string& fault) {
  const char* text = std::getenv("MOESIM_FAULTS");
  return text != nullptr &&
         ("," + std::string(text) + ",").find("," + fault + ",") != std::string::npos;
}

class FaultyMachine : public emulation::EmulatedMachine {
 public:
  std::optional<Unsupported> cannot(const Operation& operation) const override {
    if (std::holds_alternative<GroupedGemm>(operation) ||
        std::holds_alternative<GroupedGemmFp8Args>(operation) ||
        std::holds_alternative<AttentionArgs>(operation)) {
      return Unsupported{"left out"};
    }
    return EmulatedMachine::cannot(operation);
  }
  void run(const Operation& operation) override {
    const std::string name = name_of(operation);
    if (asked_for("hang:" + name)) std::this_thread::sleep_for(std::chrono::hours(1));
    if (asked_for("crash:" + name)) {
      // Not abort, whose report a sanitizer would add to.
      std::quick_exit(9);
    }
    if (asked_for("lose:" + name)) {
      lost_ = true;
      throw MachineError(name + ": an illegal memory access was encountered");
    }
    EmulatedMachine::run(operation);
  }
  bool usable() override { return !lost_; }

 private:
  bool lost_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 1;
  return gpu_program(self.data(), {argv + 1, argv + argc},
                     {.why_none = [] { return asked_for("none") ? "none was found" : ""; },
                      .make =
                          [] {
                            if (asked_for("start")) _exit(75);
                            return std::make_unique<FaultyMachine>();
                          }});
}
