#include "validation/cuda/protocol/guarded_machine.h"

#include <algorithm>

namespace moesim::validation::cuda {
namespace {

// What the sets are made of: a kernel where they have one alone, else empty.
std::string common_name(std::span<const Operations> sets) {
  std::string name;
  for (const Operations& set : sets) {
    for (const Operation& operation : set) {
      const std::string mine = name_of(operation);
      if (!name.empty() && name != mine) return "";
      name = mine;
    }
  }
  return name;
}

}  // namespace

// A point that does not fit into memory says nothing of its kernel.
template <class Action>
auto GuardedMachine::guard(const std::string& name, Action&& action) {
  const std::string& kernel = name.empty() ? step_kernel_ : name;
  if (const std::string why = record_.why_not(kernel); !why.empty()) throw LeftOut(why);
  if (about_to_run_) about_to_run_(kernel);
  try {
    return action();
  } catch (const OutOfMemory&) {
    throw;
  } catch (const MachineError&) {
    record_.wrong(kernel, step_);
    throw;
  }
}

std::optional<Unsupported> GuardedMachine::cannot(const Operation& operation) const {
  if (const std::string why = record_.why_not(name_of(operation)); !why.empty()) {
    return Unsupported{why};
  }
  return machine_.cannot(operation);
}

void GuardedMachine::run(const Operation& operation) {
  guard(name_of(operation), [&] { machine_.run(operation); });
}

Timing GuardedMachine::time(std::span<const Operations> sets, const TimingRequest& request) {
  return guard(common_name(sets), [&] { return machine_.time(sets, request); });
}

std::variant<Timing, Unsupported> GuardedMachine::between_gpus(const std::string& what, int gpus,
                                                               double bytes,
                                                               const TimingRequest& request) {
  return guard(what, [&] { return machine_.between_gpus(what, gpus, bytes, request); });
}

}  // namespace moesim::validation::cuda
