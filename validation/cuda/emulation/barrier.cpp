#include "validation/cuda/emulation/barrier.h"

#include <cstring>
#include <set>
#include <string>

#include "validation/cuda/emulation/emulator.h"

namespace moesim::validation::cuda::emulation {
namespace {

constexpr std::uint32_t kMagic = 0x2b;

struct State {
  std::uint32_t magic : 7;
  std::uint32_t phase : 1;      // parity of the phase under way
  std::uint32_t arrivals : 12;  // of a phase
  std::uint32_t missing : 12;   // of this one
  std::int32_t bytes;           // expected and not yet in (negative: in before they were expected)
};
static_assert(sizeof(State) == 8);

// Barriers that were initialised and not yet announced to the copy engine.
struct Unfenced : Attachment {
  std::set<const std::uint64_t*> barriers;
};

Unfenced& unfenced() {
  std::unique_ptr<Attachment>& place = block_attachment();
  if (!place) place = std::make_unique<Unfenced>();
  return static_cast<Unfenced&>(*place);
}

State load(const std::uint64_t* word) {
  State state;
  std::memcpy(&state, word, sizeof state);
  return state;
}

void store(std::uint64_t* word, State state) {
  if (state.missing == 0 && state.bytes == 0) {
    state.phase ^= 1u;
    state.missing = state.arrivals;
  }
  std::memcpy(word, &state, sizeof state);
}

}  // namespace

void barrier_init(std::uint64_t* word, int arrivals) {
  require_shared(word, sizeof *word, "mbarrier.init");
  if (arrivals < 1 || arrivals > 1024) throw Misuse("mbarrier.init: 1 to 1024 arrivals");
  State state{};
  state.magic = kMagic;
  state.arrivals = static_cast<std::uint32_t>(arrivals) & 0xfffu;
  state.missing = state.arrivals;
  std::memcpy(word, &state, sizeof state);
  unfenced().barriers.insert(word);
}

void fence_barrier_init() {
  unfenced().barriers.clear();
}

void require_barrier(const std::uint64_t* word, const char* who) {
  if (load(word).magic != kMagic) {
    throw Misuse(std::string(who) + ": the barrier is not initialised");
  }
  if (unfenced().barriers.count(word) != 0) {
    throw Misuse(std::string(who) + ": no fence since the barrier was initialised");
  }
}

void barrier_arrive(std::uint64_t* word, std::uint32_t bytes) {
  require_barrier(word, "mbarrier.arrive");
  State state = load(word);
  if (state.missing == 0) throw Misuse("mbarrier.arrive: more arrivals than the phase has");
  --state.missing;
  state.bytes += static_cast<std::int32_t>(bytes);
  store(word, state);
}

void barrier_complete_bytes(std::uint64_t* word, std::uint32_t bytes) {
  State state = load(word);
  state.bytes -= static_cast<std::int32_t>(bytes);
  store(word, state);
}

void barrier_wait(std::uint64_t* word, int parity) {
  require_barrier(word, "mbarrier.try_wait");
  wait_until(parity == 0 ? "an mbarrier, parity 0" : "an mbarrier, parity 1",
             [word, parity] { return static_cast<int>(load(word).phase) != parity; });
}

}  // namespace moesim::validation::cuda::emulation
