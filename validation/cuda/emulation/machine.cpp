#include "validation/cuda/emulation/machine.h"

#include <cstring>
#include <new>

#include "validation/cuda/emulation/launches.h"

namespace moesim::validation::cuda::emulation {
namespace {

constexpr std::align_val_t kAlignment{256};  // cudaMalloc's

}  // namespace

EmulatedMachine::EmulatedMachine(const Options& options) : options_(options) {
  info_.multiprocessors = 3;
  info_.l2_bytes = 1 << 16;
  info_.memory_bytes = std::size_t{1} << 30;
  info_.free_bytes = info_.memory_bytes;
}

void* EmulatedMachine::allocate(std::size_t bytes) {
  return ::operator new(bytes, kAlignment);
}
void EmulatedMachine::release(void* memory) noexcept {
  ::operator delete(memory, kAlignment);
}
void EmulatedMachine::upload(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void EmulatedMachine::download(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void EmulatedMachine::set_bytes(void* to, int value, std::size_t bytes) {
  std::memset(to, value, bytes);
}

std::optional<Unsupported> EmulatedMachine::cannot(const Operation& operation) const {
  if (std::holds_alternative<LibraryGemm>(operation)) {
    return Unsupported{"the emulator has no libraries"};
  }
  return std::nullopt;
}

void EmulatedMachine::run(const Operation& operation) {
  if (const auto* transfer = std::get_if<TransferArgs>(&operation)) {
    std::memcpy(transfer->to, transfer->from, transfer->bytes);
    return;
  }
  if (!launch_portable_emulated(options_, operation) &&
      !launch_hopper_emulated(options_, operation)) {
    throw MachineError("the emulator cannot run this operation");
  }
}

Timing EmulatedMachine::time(std::span<const Operations> sets, const TimingRequest& request) {
  for (const Operations& set : sets) {
    for (const Operation& operation : set) run(operation);
  }
  return {std::vector<double>(static_cast<std::size_t>(request.repeats), 1.0), false};
}

}  // namespace moesim::validation::cuda::emulation
