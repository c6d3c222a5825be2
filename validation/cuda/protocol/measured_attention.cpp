#include <algorithm>

#include "validation/cuda/protocol/measured_set.h"
#include "validation/cuda/protocol/sampling.h"

namespace moesim::validation::cuda {
namespace {

class AttentionSet : public Set {
 public:
  AttentionSet(Machine& machine, const PlanPoint& p, std::uint64_t seed)
      : point_(p),
        splits_(parts_of_cache(machine.info().multiprocessors, p.tokens * p.experts, p.k)),
        query_(machine, size(p.tokens, p.top_k, 128)),
        out_(machine, size(p.tokens, p.top_k, 128)),
        keys_(machine, size(p.tokens, p.experts, p.k) * 128),
        values_(machine, size(p.tokens, p.experts, p.k) * 128),
        partial_(machine, size(p.tokens, p.top_k, splits_) * 130) {
    fill(machine, query_.data(), query_.size(), Filling::Bf16, seed, 1);
    fill(machine, keys_.data(), keys_.size(), Filling::Bf16, seed + 1, 1);
    fill(machine, values_.data(), values_.size(), Filling::Bf16, seed + 2, 1);
  }
  Operations operations() const override {
    return {AttentionArgs{query_.data(), keys_.data(), values_.data(), partial_.data(), out_.data(),
                          point_.tokens, point_.top_k, point_.experts, point_.k, splits_}};
  }
  void poison() override { out_.poison(); }
  const Buffer<Bf16>* output() const override { return &out_; }
  std::optional<double> error(std::uint64_t seed) override {
    RelativeError error;
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::size_t head = sample(seed, i, size(point_.tokens, point_.top_k));
      const std::size_t cache = head / size(point_.top_k / point_.experts) * size(point_.k) * 128;
      const std::vector<double> expected =
          reference_attention(query_.read(head * 128, 128), keys_.read(cache, size(point_.k) * 128),
                              values_.read(cache, size(point_.k) * 128));
      const std::vector<Bf16> out = out_.read(head * 128, 128);
      for (std::size_t d = 0; d < 128; ++d) error.add(to_float(out[d]), expected[d]);
    }
    return error.value();
  }

 private:
  PlanPoint point_;
  int splits_;
  Buffer<Bf16> query_, out_, keys_, values_;
  Buffer<float> partial_;
};

class PrefillSet : public Set {
 public:
  PrefillSet(Machine& machine, const PlanPoint& p, std::uint64_t seed)
      : point_(p),
        query_(machine, size(p.tokens, p.n, p.top_k) * 128),
        out_(machine, size(p.tokens, p.n, p.top_k) * 128),
        keys_(machine, size(p.tokens, p.experts, p.k) * 128),
        values_(machine, size(p.tokens, p.experts, p.k) * 128) {
    fill(machine, query_.data(), query_.size(), Filling::Bf16, seed, 1);
    fill(machine, keys_.data(), keys_.size(), Filling::Bf16, seed + 1, 1);
    fill(machine, values_.data(), values_.size(), Filling::Bf16, seed + 2, 1);
  }
  Operations operations() const override {
    return {AttentionPrefillArgs{query_.data(), keys_.data(), values_.data(), out_.data(),
                                 point_.tokens, point_.top_k, point_.experts, point_.n, point_.k}};
  }
  void poison() override { out_.poison(); }
  const Buffer<Bf16>* output() const override { return &out_; }
  std::optional<double> error(std::uint64_t seed) override {
    RelativeError error;
    for (std::uint64_t i = 0; i < 4; ++i) {
      const std::size_t row = sample(seed, i, size(point_.tokens, point_.n, point_.top_k));
      const std::size_t head = row % size(point_.top_k), token = row / size(point_.top_k);
      const std::size_t cache = (token / size(point_.n) * size(point_.experts) +
                                 head / size(point_.top_k / point_.experts)) *
                                size(point_.k) * 128;
      const std::size_t seen = size(point_.k - point_.n) + token % size(point_.n) + 1;
      const std::vector<double> expected =
          reference_attention(query_.read(row * 128, 128), keys_.read(cache, seen * 128),
                              values_.read(cache, seen * 128));
      const std::vector<Bf16> out = out_.read(row * 128, 128);
      for (std::size_t d = 0; d < 128; ++d) error.add(to_float(out[d]), expected[d]);
    }
    return error.value();
  }

 private:
  PlanPoint point_;
  Buffer<Bf16> query_, out_, keys_, values_;
};

}  // namespace

// Where the caches do not give three of four multiprocessors a block: blocks for all twice, each
// with 64 keys at least. (A multiprocessor can read more than its share; parts must be merged.)
int parts_of_cache(int multiprocessors, int caches, int keys) {
  if (4 * caches >= 3 * multiprocessors) return 1;
  return std::clamp(2 * multiprocessors / std::max(1, caches), 1, std::max(1, keys / 64));
}

std::unique_ptr<Set> make_attention_set(Machine& machine, const PlanPoint& point,
                                        std::uint64_t seed) {
  return std::make_unique<AttentionSet>(machine, point, seed);
}

std::unique_ptr<Set> make_prefill_set(Machine& machine, const PlanPoint& point,
                                      std::uint64_t seed) {
  return std::make_unique<PrefillSet>(machine, point, seed);
}

}  // namespace moesim::validation::cuda
