#include "validation/cuda/protocol/sampling.h"

#include <algorithm>

namespace moesim::validation::cuda {
namespace {

std::size_t group_of(const std::vector<int>& offsets, std::size_t row) {
  return static_cast<std::size_t>(
      std::upper_bound(offsets.begin(), offsets.end(), static_cast<int>(row)) - offsets.begin() -
      1);
}

}  // namespace

void fill(Machine& machine, void* to, std::size_t count, Filling as, std::uint64_t seed,
          double scale, double shift) {
  if (count > 0) {
    machine.run(FillArgs{to, static_cast<std::int64_t>(count), as, seed, static_cast<float>(scale),
                         static_cast<float>(shift)});
  }
}

std::size_t sample(std::uint64_t seed, std::uint64_t i, std::size_t below) {
  return static_cast<std::size_t>(hash_bits(seed, i) % below);
}

std::vector<int> offsets_of(const std::vector<int>& loads) {
  std::vector<int> offsets{0};
  for (const int load : loads) offsets.push_back(offsets.back() + load);
  return offsets;
}

std::optional<double> gemm_error(const Buffer<Bf16>& a, const Buffer<Bf16>& weights,
                                 const Buffer<Bf16>& out, const std::vector<int>& offsets, int n,
                                 int k, std::uint64_t seed) {
  const auto rows = static_cast<std::size_t>(offsets.back());
  if (rows == 0) return std::nullopt;
  RelativeError error;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::size_t row = sample(seed, 2 * i, rows), column = sample(seed, 2 * i + 1, size(n));
    const std::size_t group = group_of(offsets, row);
    const std::size_t w_row = (group * size(n) + column) * size(k);
    error.add(to_float(out.read(row * size(n) + column, 1)[0]),
              reference_dot(a.read(row * size(k), size(k)), weights.read(w_row, size(k))));
  }
  return error.value();
}

std::optional<double> gemm_error_fp8(const Fp8Operands& in, const Buffer<Bf16>& out,
                                     const std::vector<int>& offsets, int n, int k,
                                     std::uint64_t seed) {
  const auto rows = static_cast<std::size_t>(offsets.back());
  if (rows == 0) return std::nullopt;
  const std::size_t stride = size(round_up(k, 16)), blocks = size(ceil_div(k, kScaleBlock));
  RelativeError error;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::size_t row = sample(seed, 2 * i, rows), column = sample(seed, 2 * i + 1, size(n));
    const std::size_t group = group_of(offsets, row);
    const std::vector<Fp8> a = in.a.read(row * stride, size(k));
    const std::vector<Fp8> w = in.weights.read((group * size(n) + column) * stride, size(k));
    const std::vector<float> scales = in.weight_scales.read(
        (group * size(ceil_div(n, kScaleBlock)) + column / kScaleBlock) * blocks, blocks);
    double sum = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      double block = 0;
      for (std::size_t x = b * kScaleBlock; x < std::min(size(k), (b + 1) * kScaleBlock); ++x) {
        block += double{to_float(a[x])} * to_float(w[x]);
      }
      sum += block * in.a_scales.read(b * size(in.scale_stride) + row, 1)[0] * scales[b];
    }
    error.add(to_float(out.read(row * size(n) + column, 1)[0]), sum);
  }
  return error.value();
}

}  // namespace moesim::validation::cuda
