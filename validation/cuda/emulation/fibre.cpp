#include "validation/cuda/emulation/fibre.h"

#include <sys/mman.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define MOESIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MOESIM_ASAN 1
#endif
#endif

#ifdef MOESIM_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace moesim::validation::cuda::emulation {
namespace {

// A thread of the widest tile keeps 128 accumulators; the sanitizers multiply a frame several
// times.
constexpr std::size_t kStackBytes = std::size_t{256} << 10;

void announce_switch([[maybe_unused]] void** save, [[maybe_unused]] const void* bottom,
                     [[maybe_unused]] std::size_t bytes) {
#ifdef MOESIM_ASAN
  __sanitizer_start_switch_fiber(save, bottom, bytes);
#endif
}

void finish_switch([[maybe_unused]] void* saved, [[maybe_unused]] const void** bottom,
                   [[maybe_unused]] std::size_t* bytes) {
#ifdef MOESIM_ASAN
  __sanitizer_finish_switch_fiber(saved, bottom, bytes);
#endif
}

}  // namespace

Fibre* Fibre::entered_ = nullptr;

Fibre::Fibre() {
  void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  stack_ = static_cast<std::byte*>(memory);
}

Fibre::~Fibre() {
  munmap(stack_, kStackBytes);
}

void Fibre::start(const std::function<void()>& body) {
#ifdef MOESIM_ASAN
  __asan_unpoison_memory_region(stack_, kStackBytes);  // what an abandoned run left behind
#endif
  body_ = &body;
  error_ = nullptr;
  done_ = false;
  sanitizer_here_ = nullptr;
  prepare(here_, stack_, kStackBytes, &Fibre::enter);
}

void Fibre::enter() {
  entered_->run();
}

void Fibre::run() {
  finish_switch(nullptr, &resumer_stack_, &resumer_bytes_);
  try {
    (*body_)();
  } catch (...) {
    error_ = std::current_exception();
  }
  done_ = true;
  switch_away(true);
}

void Fibre::resume() {
  announce_switch(&sanitizer_there_, stack_, kStackBytes);
  entered_ = this;
  switch_context(there_, here_);
  finish_switch(sanitizer_there_, nullptr, nullptr);
  if (error_) std::rethrow_exception(error_);
}

void Fibre::yield() {
  switch_away(false);
}

void Fibre::switch_away(bool for_good) {
  announce_switch(for_good ? nullptr : &sanitizer_here_, resumer_stack_, resumer_bytes_);
  switch_context(here_, there_);
  finish_switch(sanitizer_here_, &resumer_stack_, &resumer_bytes_);
}

}  // namespace moesim::validation::cuda::emulation
