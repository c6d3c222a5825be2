// A card that does not exist, as large as a real one: memory that nobody touches, and times by the
// formula of synthetic_points.h. A whole plan of a real card is run on it in seconds, through the
// same program, supervisor and files. It routes and sorts; all other results are zeros, which agree
// with the zeros that they are made of.
#pragma once

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <vector>

#include "tests/support/synthetic_points.h"
#include "validation/cuda/protocol/machine.h"
#include "validation/cuda/reference/reference.h"

namespace moesim::tests {

class MadeUpCardMachine : public validation::cuda::Machine {
 public:
  // `gpus` of them in the machine.
  explicit MadeUpCardMachine(const std::string& name = "made-up card", int gpus = 1) : gpus_(gpus) {
    info_.device = name;
    info_.multiprocessors = 132;
    info_.l2_bytes = std::size_t{50} << 20;
    info_.memory_bytes = std::size_t{79} << 30;
    info_.free_bytes = info_.memory_bytes;
    info_.details = {{"compute_capability", "9.0"}, {"device_id", "1"}, {"driver", "made up"}};
  }

  const validation::cuda::MachineInfo& info() const override { return info_; }
  void* allocate(std::size_t bytes) override {
    if (bytes > info_.free_bytes) throw validation::cuda::OutOfMemory("out of memory");
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw validation::cuda::OutOfMemory("no address space");
    info_.free_bytes -= bytes;
    sizes_[memory] = bytes;
    return memory;
  }
  void release(void* memory) noexcept override {
    const auto found = sizes_.find(memory);
    munmap(memory, found->second);
    info_.free_bytes += found->second;
    sizes_.erase(found);
  }
  void* allocate_pinned(std::size_t bytes) override { return allocate(bytes); }
  void release_pinned(void* memory) noexcept override { release(memory); }
  void upload(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void set_bytes(void* /*to*/, int /*value*/, std::size_t /*bytes*/) override {}
  std::size_t free_memory() override { return info_.free_bytes; }
  bool usable() override { return true; }
  std::optional<validation::cuda::Unsupported> cannot(
      const validation::cuda::Operation& operation) const override {
    const auto* library = std::get_if<validation::cuda::LibraryGemm>(&operation);
    if (library != nullptr && library->library == validation::cuda::Library::CublasGrouped) {
      return validation::cuda::Unsupported{"a made-up card has no grouped library"};
    }
    return std::nullopt;
  }
  void run(const validation::cuda::Operation& operation) override;
  validation::cuda::Timing time(std::span<const validation::cuda::Operations> sets,
                                const validation::cuda::TimingRequest& request) override;
  validation::cuda::Health health() override {
    validation::cuda::Health health;
    health.sm_mhz = 1755;
    health.memory_mhz = 2619;
    health.watts = 400;
    health.celsius = 50;
    health.throttle = 0;
    return health;
  }
  std::variant<validation::cuda::Timing, validation::cuda::Unsupported> between_gpus(
      const std::string& what, int gpus, double bytes,
      const validation::cuda::TimingRequest& request) override {
    if (gpus > gpus_) return validation::cuda::Unsupported{"a made-up card is alone"};
    // A ring over 400 GB/s, with a part of the bytes that grows with the ranks.
    const double us =
        8 + 1.5 * gpus + bytes * (gpus - 1) / gpus * (what == "all_reduce" ? 2 : 1) / 400e3;
    return validation::cuda::Timing{
        std::vector<double>(static_cast<std::size_t>(request.repeats), us), false};
  }
  std::optional<double> footprint(const std::string& what, double size) override {
    if (what == "context") return 480e6;
    if (what == "allocation") return std::max(size, 2.0 * (1 << 20));
    return std::nullopt;
  }

 private:
  validation::cuda::MachineInfo info_;
  std::map<void*, std::size_t> sizes_;
  std::uint64_t draw_ = 0;
  int gpus_;
};

namespace made_up {

inline std::vector<int> loads_of(const int* offsets, int groups) {
  std::vector<int> loads;
  for (int g = 0; g < groups; ++g) loads.push_back(offsets[g + 1] - offsets[g]);
  return loads;
}

// Microseconds in a chain of kernels.
inline double time_of(const validation::cuda::Operation& operation) {
  using namespace validation::cuda;
  const MadeUpCard card;
  const auto moved = [&](double bytes) { return card.step_us + bytes / card.bytes_us; };
  struct Visitor {
    const MadeUpCard& card;
    decltype(moved)& bytes;
    double operator()(const RouterArgs& a) const { return bytes(4.0 * a.tokens * a.experts); }
    double operator()(const SortArgs& a) const { return bytes(12.0 * a.tokens * a.top_k); }
    double operator()(const PermuteArgs& a) const { return bytes(4.0 * a.most_rows * a.hidden); }
    double operator()(const UnpermuteArgs& a) const {
      return bytes(2.0 * a.tokens * (a.top_k + 1) * a.hidden);
    }
    double operator()(const SwigluArgs& a) const { return bytes(6.0 * a.most_rows * a.inter); }
    double operator()(const QuantiseArgs& a) const { return bytes(3.0 * a.most_rows * a.k); }
    double operator()(const GroupedGemm& g) const {
      return card.kernel_us + synthetic_gemm_us(loads_of(g.args.offsets, g.args.groups), g.args.n,
                                                g.args.k, false, card);
    }
    double operator()(const GroupedGemmFp8Args& a) const {
      return card.kernel_us +
             synthetic_gemm_us(loads_of(a.offsets, a.groups), a.n, a.k, true, card);
    }
    double operator()(const LibraryGemm& g) const {
      return card.kernel_us + synthetic_gemm_us(g.loads, g.args.n, g.args.k, false, card);
    }
    double operator()(const AttentionArgs& a) const {
      return bytes(4.0 * a.batch * a.kv_heads * 128.0 * a.length);
    }
    // Half of the keys are seen of a prompt that is alone; tiles of 64, of which a multiprocessor
    // takes two, and half of the tensor cores.
    double operator()(const AttentionPrefillArgs& a) const {
      const int whole = (a.queries + 63) / 64;
      const double tiles = whole, seen = a.length - 0.5 * a.queries + 32;
      const double blocks = a.batch * a.heads * tiles, busy = std::min(1.0, blocks / (2 * 132));
      const double flops = blocks * 4.0 * 64 * 128 * seen;
      return std::max(flops / (0.5 * busy * card.bf16_flops_us) + card.step_us,
                      bytes(4.0 * a.batch * a.kv_heads * 128.0 * a.length));
    }
    double operator()(const StreamCopy& c) const {
      return bytes(32.0 * static_cast<double>(c.args.count));
    }
    double operator()(const StreamRead& c) const {
      return bytes(16.0 * static_cast<double>(c.args.count));
    }
    double operator()(const EmptyKernel&) const { return 1.9; }
    double operator()(const FillArgs&) const { return 2; }
    double operator()(const CountNanArgs&) const { return 2; }
    double operator()(const TransferArgs& t) const {
      const double rate = t.kind == CopyKind::DeviceToDevice ? card.bytes_us / 2 : 55e3;
      return 8 + static_cast<double>(t.bytes) / rate;
    }
  };
  return std::visit(Visitor{card, moved}, operation);
}

}  // namespace made_up

inline void MadeUpCardMachine::run(const validation::cuda::Operation& operation) {
  using namespace validation::cuda;
  if (const auto* r = std::get_if<RouterArgs>(&operation)) {
    const auto experts = static_cast<std::size_t>(r->experts);
    for (int t = 0; t < r->tokens; ++t) {
      const Chosen chosen = reference_router(
          {r->experts, r->top_k, r->sigmoid, r->groups, r->top_groups, r->normalise, r->scale},
          {r->logits + static_cast<std::size_t>(t) * experts, experts}, {});
      std::copy(chosen.ids.begin(), chosen.ids.end(), r->ids + std::ptrdiff_t{t} * r->top_k);
      std::transform(chosen.weights.begin(), chosen.weights.end(),
                     r->weights + std::ptrdiff_t{t} * r->top_k,
                     [](double weight) { return static_cast<float>(weight); });
    }
  }
  if (const auto* s = std::get_if<SortArgs>(&operation)) {
    const Sorted sorted = reference_sort({s->ids, static_cast<std::size_t>(s->tokens * s->top_k)},
                                         s->top_k, s->first, s->experts);
    std::copy(sorted.offsets.begin(), sorted.offsets.end(), s->offsets);
    std::copy(sorted.row_of.begin(), sorted.row_of.end(), s->row_of);
    std::copy(sorted.token_of.begin(), sorted.token_of.end(), s->token_of);
  }
}

inline validation::cuda::Timing MadeUpCardMachine::time(
    std::span<const validation::cuda::Operations> sets,
    const validation::cuda::TimingRequest& request) {
  double us = 0;
  for (const validation::cuda::Operation& operation : sets.front())
    us += made_up::time_of(operation);
  validation::cuda::Timing timing;
  timing.graph = true;
  // Each shape is off by a few percent of its own, and each replay by half a percent.
  const double own =
      1 + 0.03 * validation::cuda::hash_normal(7, static_cast<std::uint64_t>(us * 1e3));
  for (int i = 0; i < request.repeats; ++i) {
    timing.us.push_back(us * own * (1 + 0.005 * validation::cuda::hash_normal(8, draw_++)));
  }
  return timing;
}

}  // namespace moesim::tests
