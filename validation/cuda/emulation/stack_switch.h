// Leaving one stack for another, in a few instructions on x86-64; elsewhere by ucontext, which asks
// the kernel about signals at every switch (a third of the emulator's time).
#pragma once

#include <cstddef>

#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace moesim::validation::cuda::emulation {

// Where something that was left goes on.
struct Context {
#ifdef __x86_64__
  void* stack_pointer = nullptr;
#else
  ucontext_t registers{};
#endif
};

// Makes `context` begin with `entry`, which must not return, on a stack of its own.
void prepare(Context& context, std::byte* stack, std::size_t bytes, void (*entry)());

// Leaves to `to`; comes back when somebody leaves to `from`.
void switch_context(Context& from, Context& to);

}  // namespace moesim::validation::cuda::emulation
