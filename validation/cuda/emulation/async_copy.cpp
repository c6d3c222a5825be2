#include "validation/cuda/emulation/async_copy.h"

#include <cstring>

#include "validation/cuda/emulation/thread_state.h"

namespace moesim::validation::cuda::emulation {
namespace {

void perform(const Copy& copy) {
  const auto valid = static_cast<std::size_t>(copy.valid);
  if (valid > 0) std::memcpy(copy.to, copy.from, valid);
  std::memset(static_cast<std::byte*>(copy.to) + valid, 0, 16 - valid);
}

}  // namespace

void async_copy16(void* to, const void* from, int valid) {
  require_shared(to, 16, "cp.async");
  const auto aligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  if (!aligned(to) || (valid > 0 && !aligned(from))) throw Misuse("cp.async: not 16-byte aligned");
  if (valid < 0 || valid > 16) throw Misuse("cp.async: source size over 16");
  const Copy copy{to, from, valid};
  if (engine() == Engine::Eager) {
    perform(copy);
  } else {
    thread_state().open_copies.push_back(copy);
  }
}

void async_commit() {
  ThreadState& state = thread_state();
  state.copy_groups.push_back(std::move(state.open_copies));
  state.open_copies.clear();
}

void async_wait(int pending) {
  ThreadState& state = thread_state();
  while (state.copy_groups.size() > static_cast<std::size_t>(pending)) {
    for (const Copy& copy : state.copy_groups.front()) perform(copy);
    state.copy_groups.pop_front();
  }
}

}  // namespace moesim::validation::cuda::emulation
