// moesim-gpu with the emulator for a GPU, and with faults that MOESIM_FAULTS names:
// "hang:permute,crash:sort,lose:router,wrong:router,slow,start,none,old_driver". Products and
// attention are left out, for speed. With the fault "card" plans are run on a made-up card
// (made_up_card.h), and selftests are small ones; with
// "node" there are eight of them.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/cuda/made_up_card.h"
#include "validation/cuda/emulation/machine.h"
#include "validation/cuda/protocol/program.h"

namespace {

using namespace moesim::validation::cuda;

bool asked_for(const std::string& fault) {
  const char* text = std::getenv("MOESIM_FAULTS");
  return text != nullptr &&
         ("," + std::string(text) + ",").find("," + fault + ",") != std::string::npos;
}

template <class Base>
class FaultyMachine : public Base {
 public:
  using Base::Base;
  std::optional<Unsupported> cannot(const Operation& operation) const override {
    if (std::is_same_v<Base, emulation::EmulatedMachine> &&
        (std::holds_alternative<GroupedGemm>(operation) ||
         std::holds_alternative<GroupedGemmFp8Args>(operation) ||
         std::holds_alternative<AttentionArgs>(operation) ||
         std::holds_alternative<AttentionPrefillArgs>(operation))) {
      return Unsupported{"left out"};
    }
    return Base::cannot(operation);
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
    Base::run(operation);
    const auto* router = std::get_if<RouterArgs>(&operation);
    if (router != nullptr && asked_for("wrong:router")) {
      this->set_bytes(router->weights, 0, static_cast<std::size_t>(router->tokens) * 4);
    }
  }
  Timing time(std::span<const Operations> sets, const TimingRequest& request) override {
    if (asked_for("slow")) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return Base::time(sets, request);
  }
  bool usable() override { return !lost_; }

 private:
  bool lost_ = false;
};

std::unique_ptr<Machine> make_machine(bool selftest) {
  if (asked_for("start")) _exit(75);
  if (!selftest && asked_for("card")) {
    return std::make_unique<FaultyMachine<moesim::tests::MadeUpCardMachine>>(
        "made-up card", asked_for("node") ? 8 : 1);
  }
  return std::make_unique<FaultyMachine<emulation::EmulatedMachine>>();
}

Availability look() {
  if (asked_for("none")) return {GpuIs::None, "none was found"};
  if (asked_for("old_driver")) return {GpuIs::Unusable, "it is too old"};
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::array<char, 4096> self{};
  if (readlink("/proc/self/exe", self.data(), self.size() - 1) < 0) return 1;
  std::vector<std::string> arguments{argv + 1, argv + argc};
  const bool selftest = !arguments.empty() && arguments[0] == "selftest";
  if (selftest && asked_for("card")) arguments.push_back("--small");
  return gpu_program(self.data(), arguments,
                     {.look = look, .make = [&] { return make_machine(selftest); }});
}
