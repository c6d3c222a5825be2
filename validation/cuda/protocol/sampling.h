// Filling operands on the machine, and computing a few outputs again in double precision from what
// the machine holds.
#pragma once

#include <optional>
#include <vector>

#include "validation/cuda/protocol/machine.h"
#include "validation/cuda/reference/reference.h"

namespace moesim::validation::cuda {

inline std::size_t size(std::int64_t a, std::int64_t b = 1, std::int64_t c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

// Element i becomes shift + scale * hash_normal(seed, i).
void fill(Machine& machine, void* to, std::size_t count, Filling as, std::uint64_t seed,
          double scale, double shift = 0);

inline constexpr int kSamples = 96;  // outputs that are computed again

// The i-th of a row of draws from 0 ... below - 1.
std::size_t sample(std::uint64_t seed, std::uint64_t i, std::size_t below);

// Where the rows of each group begin, and where the last ends.
std::vector<int> offsets_of(const std::vector<int>& loads);

// Of out = a W^T [rows, n] for rows sorted by group, W of each group [n, k]; nothing where there
// are no rows.
std::optional<double> gemm_error(const Buffer<Bf16>& a, const Buffer<Bf16>& weights,
                                 const Buffer<Bf16>& out, const std::vector<int>& offsets, int n,
                                 int k, std::uint64_t seed);

struct Fp8Operands {
  const Buffer<Fp8>& a;
  const Buffer<float>& a_scales;
  const Buffer<Fp8>& weights;
  const Buffer<float>& weight_scales;
  int scale_stride;
};
// The same of fp8 operands, against their own codes and scales.
std::optional<double> gemm_error_fp8(const Fp8Operands& in, const Buffer<Bf16>& out,
                                     const std::vector<int>& offsets, int n, int k,
                                     std::uint64_t seed);

}  // namespace moesim::validation::cuda
