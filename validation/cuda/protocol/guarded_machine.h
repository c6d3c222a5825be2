// A machine that says which kernel it is about to run, and does not run those that the record
// leaves out: cannot() says so, and run() throws LeftOut for those that nobody asked about before.
// What fails is put on the record.
#pragma once

#include <functional>
#include <string>

#include "validation/cuda/protocol/kernel_record.h"
#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

struct LeftOut : MachineError {
  using MachineError::MachineError;
};

class GuardedMachine : public Machine {
 public:
  // Both must outlive it; `about_to_run` may be empty.
  GuardedMachine(Machine& machine, KernelRecord& record,
                 std::function<void(const std::string& kernel)> about_to_run)
      : machine_(machine), record_(record), about_to_run_(std::move(about_to_run)) {}

  // The check or point that runs from now on, and the kernel that it is about.
  void step(const std::string& name, const std::string& kernel) {
    step_ = name;
    step_kernel_ = kernel;
  }

  const MachineInfo& info() const override { return machine_.info(); }
  void* allocate(std::size_t bytes) override { return machine_.allocate(bytes); }
  void release(void* memory) noexcept override { machine_.release(memory); }
  void* allocate_pinned(std::size_t bytes) override { return machine_.allocate_pinned(bytes); }
  void release_pinned(void* memory) noexcept override { machine_.release_pinned(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    machine_.upload(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    machine_.download(to, from, bytes);
  }
  void set_bytes(void* to, int value, std::size_t bytes) override {
    machine_.set_bytes(to, value, bytes);
  }
  std::size_t free_memory() override { return machine_.free_memory(); }
  bool usable() override { return machine_.usable(); }
  Health health() override { return machine_.health(); }
  std::optional<double> footprint(const std::string& what, double size) override {
    return machine_.footprint(what, size);
  }

  std::optional<Unsupported> cannot(const Operation& operation) const override;
  void run(const Operation& operation) override;
  Timing time(std::span<const Operations> sets, const TimingRequest& request) override;
  std::variant<Timing, Unsupported> between_gpus(const std::string& what, int gpus, double bytes,
                                                 const TimingRequest& request) override;

 private:
  // Of a kernel, or, where the name is empty, of all those of the step together.
  template <class Action>
  auto guard(const std::string& name, Action&& action);

  Machine& machine_;
  KernelRecord& record_;
  std::function<void(const std::string&)> about_to_run_;
  std::string step_, step_kernel_;
};

}  // namespace moesim::validation::cuda
