#include "validation/cuda/emulation/emulator.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <new>
#include <vector>

#include "validation/cuda/emulation/fibre.h"

namespace moesim::validation::cuda::emulation {
namespace {

constexpr int kWarp = 32;
constexpr std::size_t kExchangeBytes = 64;
// Where dynamic shared memory begins: aligned to 16 bytes only, so that a kernel that needs more
// and does not see to it itself is found out.
constexpr std::size_t kSharedOffset = 1024 + 16;

struct Thread {
  Fibre* fibre = nullptr;
  int index = 0;
  const std::function<bool()>* ready = nullptr;  // null: can run
  const char* waits_for = "";
  std::uint32_t exchanges = 0;  // that this lane has taken part in
  std::unique_ptr<Attachment> attachment;
};

struct Rendezvous {
  int arrived = 0;
  std::uint32_t generation = 0;
};

struct Warp {
  std::array<Rendezvous, 2> exchange;
  // Two, so that a fast lane may fill the next while a slow one still reads the last.
  std::array<std::array<std::byte, kExchangeBytes * kWarp>, 2> slots;
  Rendezvous once;
};

class SharedMemory {
 public:
  SharedMemory() = default;
  explicit SharedMemory(std::size_t bytes)
      : data_(static_cast<std::byte*>(::operator new(bytes, kAlignment))) {
    std::memset(data_.get(), 0xff, bytes);
  }
  std::byte* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{1024};
  struct Free {
    void operator()(std::byte* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<std::byte, Free> data_;
};

struct Block {
  Options options;
  int index = 0, size = 0, grid = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::map<int, Rendezvous> barriers;
  SharedMemory memory;  // from address 0 on
  std::size_t shared_bytes = 0;
  std::deque<std::function<void()>> engine;  // copies under way
  std::unique_ptr<Attachment> attachment;
  Thread* running = nullptr;
};

Block* g_block = nullptr;

std::deque<Fibre>& fibres() {
  static std::deque<Fibre> pool;
  return pool;
}

Block& block() {
  if (g_block == nullptr) throw Misuse("a device function was called outside a kernel");
  return *g_block;
}

std::vector<int> order_of(Order order, int count) {
  std::vector<int> result;
  result.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    result.push_back(order == Order::ReverseWarps ? count - 1 - i : i);
  }
  return result;
}

std::string describe_deadlock(const Block& block) {
  std::map<std::string, std::pair<int, int>> waiting;  // what -> (threads, the first)
  for (const Thread& thread : block.threads) {
    if (thread.fibre->done()) continue;
    auto [place, fresh] = waiting.try_emplace(thread.waits_for, 0, thread.index);
    ++place->second.first;
  }
  std::string text = "deadlock in block " + std::to_string(block.index) + ":";
  for (const auto& [what, who] : waiting) {
    text += " " + std::to_string(who.first) + " threads (first " + std::to_string(who.second) +
            ") wait for " + what + ";";
  }
  text.pop_back();
  return text;
}

void run_block(Block& block, const std::function<void()>& kernel) {
  for (Thread& thread : block.threads) thread.fibre->start(kernel);
  const std::vector<int> order = order_of(block.options.order, block.size);
  int left = block.size;
  // Gives each thread of order[first, last) a turn; returns whether one could use it.
  const auto turn = [&](std::size_t first, std::size_t last) {
    bool progress = false;
    for (std::size_t place = first; place < last; ++place) {
      Thread& thread = block.threads[static_cast<std::size_t>(order[place])];
      if (thread.fibre->done()) continue;
      if (thread.ready != nullptr && !(*thread.ready)()) continue;
      thread.ready = nullptr;
      block.running = &thread;
      thread.fibre->resume();
      block.running = nullptr;
      progress = true;
      if (thread.fibre->done()) --left;
    }
    return progress;
  };
  const std::size_t stretch = block.options.order == Order::Forward ? order.size() : kWarp;
  while (left > 0) {
    bool progress = false;
    for (std::size_t first = 0; first < order.size(); first += stretch) {
      while (turn(first, std::min(first + stretch, order.size()))) {
        progress = true;
        if (stretch == order.size()) break;
      }
    }
    if (progress) continue;
    if (block.engine.empty()) throw Deadlock(describe_deadlock(block));
    const std::function<void()> work = std::move(block.engine.front());
    block.engine.pop_front();
    work();
  }
}

Thread& running() {
  return *block().running;
}

}  // namespace

void launch(int grid, int block_size, std::size_t shared_bytes, const Options& options,
            const std::function<void()>& kernel) {
  if (g_block != nullptr) throw Misuse("a kernel was launched from a kernel");
  if (block_size <= 0 || block_size > 1024) throw Misuse("a block has 1 to 1024 threads");
  if (shared_bytes > std::size_t{227} << 10) throw Misuse("a block has 227 KiB of shared memory");
  while (fibres().size() < static_cast<std::size_t>(block_size)) fibres().emplace_back();
  const std::vector<int> blocks = order_of(options.order, grid);
  for (const int index : blocks) {
    Block current;
    current.options = options;
    current.index = index;
    current.size = block_size;
    current.grid = grid;
    current.threads.resize(static_cast<std::size_t>(block_size));
    for (int i = 0; i < block_size; ++i) {
      Thread& thread = current.threads[static_cast<std::size_t>(i)];
      thread.index = i;
      thread.fibre = &fibres()[static_cast<std::size_t>(i)];
    }
    current.warps.resize(static_cast<std::size_t>((block_size + kWarp - 1) / kWarp));
    // Exactly as long as was asked for: the sanitizer sees the first byte beyond. 0xff is NaN in
    // every format.
    current.memory = SharedMemory(kSharedOffset + shared_bytes);
    current.shared_bytes = shared_bytes;
    g_block = &current;
    try {
      run_block(current, kernel);
    } catch (...) {
      g_block = nullptr;
      throw;
    }
    g_block = nullptr;
  }
}

int thread_index() {
  return running().index;
}
int block_index() {
  return block().index;
}
int block_size() {
  return block().size;
}
int grid_size() {
  return block().grid;
}

std::byte* shared_base() {
  return block().memory.data() + kSharedOffset;
}

std::uint32_t shared_address(const void* pointer) {
  require_shared(pointer, 0, "an address");
  return static_cast<std::uint32_t>(static_cast<const std::byte*>(pointer) - block().memory.data());
}

std::byte* shared_pointer(std::uint32_t address) {
  return block().memory.data() + address;
}

void require_shared(const void* pointer, std::size_t bytes, const char* who) {
  const auto* at = static_cast<const std::byte*>(pointer);
  const std::byte* base = shared_base();
  if (at < base || at + bytes > base + block().shared_bytes) {
    throw Misuse(std::string(who) + " lies outside the block's shared memory");
  }
}

void wait_until(const char* what, const std::function<bool()>& ready) {
  if (ready()) return;
  Thread& thread = running();
  thread.waits_for = what;
  thread.ready = &ready;  // the scheduler asks, and comes back only when it holds
  thread.fibre->yield();
}

void barrier(int id, int count) {
  Rendezvous& meeting = block().barriers[id];
  const std::uint32_t generation = meeting.generation;
  if (++meeting.arrived == (count == 0 ? block().size : count)) {
    meeting.arrived = 0;
    ++meeting.generation;
    return;
  }
  wait_until("a barrier of the block", [&] { return meeting.generation != generation; });
}

const std::byte* warp_exchange(const void* mine, std::size_t bytes) {
  if (bytes > kExchangeBytes) throw Misuse("a lane exchanges at most 64 bytes");
  Thread& thread = running();
  Warp& warp = block().warps[static_cast<std::size_t>(thread.index / kWarp)];
  const std::size_t parity = thread.exchanges++ % 2;
  auto& slots = warp.slots[parity];
  std::memcpy(slots.data() + static_cast<std::size_t>(thread.index % kWarp) * bytes, mine, bytes);
  Rendezvous& meeting = warp.exchange[parity];
  const std::uint32_t generation = meeting.generation;
  if (++meeting.arrived == kWarp) {
    meeting.arrived = 0;
    ++meeting.generation;
  } else {
    wait_until("the other lanes of its warp", [&] { return meeting.generation != generation; });
  }
  return slots.data();
}

void warp_once(const std::function<void()>& once) {
  Thread& thread = running();
  Rendezvous& meeting = block().warps[static_cast<std::size_t>(thread.index / kWarp)].once;
  const std::uint32_t generation = meeting.generation;
  if (++meeting.arrived == kWarp) {
    meeting.arrived = 0;
    once();
    ++meeting.generation;
    return;
  }
  wait_until("the other lanes of its warp", [&] { return meeting.generation != generation; });
}

void engine_submit(std::function<void()> work) {
  if (block().options.engine == Engine::Eager) {
    work();
  } else {
    block().engine.push_back(std::move(work));
  }
}

std::unique_ptr<Attachment>& thread_attachment(int lane_of_warp) {
  Thread& thread = running();
  if (lane_of_warp < 0) return thread.attachment;
  const int index = thread.index / kWarp * kWarp + lane_of_warp;
  return block().threads[static_cast<std::size_t>(index)].attachment;
}

std::unique_ptr<Attachment>& block_attachment() {
  return block().attachment;
}

Engine engine() {
  return block().options.engine;
}

}  // namespace moesim::validation::cuda::emulation
