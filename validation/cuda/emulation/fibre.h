// A stack that can be left and resumed, known to the address sanitizer.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>

#include "validation/cuda/emulation/stack_switch.h"

namespace moesim::validation::cuda::emulation {

class Fibre {
 public:
  Fibre();
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // Prepares to run `body` from its beginning. REQUIRES: none is half-way through, or it is given
  // up
  void start(const std::function<void()>& body);
  // Runs it until it yields or ends. Throws what it threw.
  void resume();
  // Called on the fibre: back to whoever resumed it.
  void yield();
  bool done() const { return done_; }

 private:
  static void enter();
  void run();
  void switch_away(bool for_good);

  static Fibre* entered_;  // the one that was resumed last, for its first step

  Context here_;   // the fibre
  Context there_;  // its resumer
  std::byte* stack_ = nullptr;
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr error_;
  bool done_ = true;
  void* sanitizer_here_ = nullptr;
  void* sanitizer_there_ = nullptr;
  const void* resumer_stack_ = nullptr;
  std::size_t resumer_bytes_ = 0;
};

}  // namespace moesim::validation::cuda::emulation
