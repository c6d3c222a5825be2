// A stack that can be left and resumed (ucontext), known to the address sanitizer.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <exception>
#include <functional>

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
  static void enter(unsigned low, unsigned high);
  void run();
  void switch_away(bool for_good);

  ucontext_t here_{};   // the fibre
  ucontext_t there_{};  // its resumer
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
