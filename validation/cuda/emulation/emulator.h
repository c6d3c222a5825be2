// Runs a kernel's source on the CPU: every CUDA thread is a fibre, one block after another.
//
// What a kernel may rely on is modelled as late as the hardware is allowed to be: a copy lands when
// it is waited for (or, with Engine::Eager, at once), matrix instructions read their operands when
// they are waited for, and shared memory is full of NaN before each block. A kernel that waits too
// little computes wrong numbers; one that waits too much is found as a deadlock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace moesim::validation::cuda::emulation {

// Which runnable thread goes next: all in turn; or the warps one by one, each as far as it can get,
// so that one runs far ahead of the others; or so from the last thread (and block) to the first.
enum class Order { Forward, Warps, ReverseWarps };
// When an asynchronous copy lands: at once, or when nothing else can go on (and at its wait).
enum class Engine { Eager, Lazy };

struct Options {
  Order order = Order::Forward;
  Engine engine = Engine::Lazy;
};

// Every thread waits for something that cannot come; the message says what, thread by thread.
struct Deadlock : std::runtime_error {
  using std::runtime_error::runtime_error;
};
// An instruction was used in a way that the hardware does not define.
struct Misuse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Runs `kernel` once for each thread of `grid` blocks of `block` threads. Throws Deadlock, Misuse,
// and what the kernel throws. Not reentrant.
void launch(int grid, int block, std::size_t shared_bytes, const Options& options,
            const std::function<void()>& kernel);

// What follows is called by the running thread of a kernel.

int thread_index();
int block_index();
int block_size();
int grid_size();

// Dynamic shared memory of the block. Its address is 16-byte aligned and no more.
std::byte* shared_base();
// The 32-bit address that instructions use for a place in shared memory, and back.
std::uint32_t shared_address(const void* pointer);
std::byte* shared_pointer(std::uint32_t address);
// Throws Misuse unless [pointer, pointer + bytes) lies in the block's shared memory.
void require_shared(const void* pointer, std::size_t bytes, const char* who);

// Lets the others run until ready() holds; `what` is named in a Deadlock.
void wait_until(const char* what, const std::function<bool()>& ready);

// Waits for `count` threads at barrier `id` of the block (0: all of them).
void barrier(int id, int count);

// Gives every lane what all 32 lanes of its warp have put in. REQUIRES: bytes <= 64; all lanes call
const std::byte* warp_exchange(const void* mine, std::size_t bytes);

// Waits for the warp; the last lane to come does `once` for all of them.
void warp_once(const std::function<void()>& once);

// Hands a copy to the engine: done now (Eager), or as late as may be (Lazy).
void engine_submit(std::function<void()> work);

// State that lives as long as the thread, or the block: made at first use.
class Attachment {
 public:
  virtual ~Attachment() = default;
};
std::unique_ptr<Attachment>& thread_attachment(int lane_of_warp = -1);
std::unique_ptr<Attachment>& block_attachment();
Engine engine();

}  // namespace moesim::validation::cuda::emulation
