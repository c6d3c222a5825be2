#include "validation/cuda/emulation/stack_switch.h"

#include <cstdint>

#ifdef __x86_64__

// System V ABI: a call keeps these six registers and the stack pointer; the rest is the caller's to
// save. (The control words of the floating-point units are the same on all stacks here.)
extern "C" void moesim_switch_stack(void** leave, void* enter);
asm(R"(
.text
.p2align 4
.type moesim_switch_stack, @function
.globl moesim_switch_stack
.hidden moesim_switch_stack
moesim_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size moesim_switch_stack, . - moesim_switch_stack
)");

namespace moesim::validation::cuda::emulation {

void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  // From the top: nobody to return to, the entry, six registers. At its first instruction a
  // function finds the stack pointer 8 below a multiple of 16.
  const auto beyond = (reinterpret_cast<std::uintptr_t>(stack) + bytes) % 16;
  auto* word = reinterpret_cast<std::uintptr_t*>(stack + bytes - beyond);
  *--word = 0;
  *--word = reinterpret_cast<std::uintptr_t>(entry);
  for (int i = 0; i < 6; ++i) *--word = 0;
  context.stack_pointer = word;
}

void switch_context(Context& from, Context& to) {
  moesim_switch_stack(&from.stack_pointer, to.stack_pointer);
}

}  // namespace moesim::validation::cuda::emulation

#else

namespace moesim::validation::cuda::emulation {

void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)()) {
  getcontext(&context.registers);
  context.registers.uc_stack.ss_sp = stack;
  context.registers.uc_stack.ss_size = bytes;
  context.registers.uc_link = nullptr;
  makecontext(&context.registers, entry, 0);
}

void switch_context(Context& from, Context& to) {
  swapcontext(&from.registers, &to.registers);
}

}  // namespace moesim::validation::cuda::emulation

#endif
