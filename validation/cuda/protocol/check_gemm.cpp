#include <algorithm>
#include <cmath>
#include <numeric>

#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {

std::string name_of(GemmKind kind) {
  switch (kind) {
    case GemmKind::Mma:
      return "moesim_mma";
    case GemmKind::Wgmma:
      return "moesim_wgmma";
    case GemmKind::Fp8:
      return "moesim_fp8";
    case GemmKind::CublasLt:
      return "cublaslt";
    case GemmKind::CublasGrouped:
      return "cublas_grouped";
  }
  return "";
}

Check check_grouped_gemm(Machine& machine, GemmKind kind, const GemmCase& c, std::uint64_t seed) {
  const int groups = static_cast<int>(c.loads.size());
  std::vector<int> offsets{0};
  int active = 0;
  for (const int load : c.loads) {
    offsets.push_back(offsets.back() + load);
    if (load > 0) ++active;
  }
  const int rows = offsets.back();
  const int expected_rows = c.expected_rows > 0 ? c.expected_rows : rows / std::max(1, active);
  Check check{"grouped_gemm " + name_of(kind) + " " + std::to_string(groups) + " groups " +
                  std::to_string(rows) + " rows " + product({c.n, c.k}) + " tile for " +
                  std::to_string(expected_rows),
              0,
              kBf16Bound,
              0,
              "",
              ""};
  const bool fp8 = kind == GemmKind::Fp8;
  const int k_stride = fp8 ? round_up(c.k, 16) : c.k;
  const int k_blocks = ceil_div(c.k, kScaleBlock), n_blocks = ceil_div(c.n, kScaleBlock);
  const int scale_stride = round_up(std::max(rows, 1), 4);

  // One row more than there are: it must not be computed.
  const std::vector<Bf16> a = random_bf16(seed, at(rows + 1) * at(c.k));
  const std::vector<Bf16> w =
      random_bf16(seed + 1, at(groups) * at(c.n) * at(k_stride), fp8 ? 64 : 1);
  std::vector<Fp8> w_codes;
  std::vector<float> w_scales;
  Quantised a_codes;
  if (fp8) {
    a_codes = reference_quantise(std::span(a).first(at(rows) * at(c.k)), rows, c.k, k_stride);
    for (const Bf16 value : w) w_codes.push_back(to_fp8(to_float(value)));
    w_scales = random_float(seed + 2, at(groups) * at(n_blocks) * at(k_blocks), 0.01);
    for (float& scale : w_scales) scale += 0.05f;
  }
  std::vector<float> padded_scales(at(scale_stride) * at(k_blocks), NAN);
  for (std::size_t b = 0; fp8 && b < at(k_blocks); ++b) {
    for (std::size_t r = 0; r < at(rows); ++r) {
      padded_scales[b * at(scale_stride) + r] = a_codes.scales[b * at(rows) + r];
    }
  }

  const Buffer<Bf16> device_a(machine, fp8 ? std::vector<Bf16>() : a);
  const Buffer<Bf16> device_w(machine, fp8 ? std::vector<Bf16>() : w);
  const Buffer<Fp8> device_a_codes(machine, a_codes.codes), device_w_codes(machine, w_codes);
  const Buffer<float> device_a_scales(machine, padded_scales), device_w_scales(machine, w_scales);
  const Buffer<int> device_offsets(machine, offsets);
  const std::size_t size = at(rows) * at(c.n);
  Buffer<Bf16> out(machine, size + kGuard);
  out.poison();
  const GroupedGemmArgs args{
      device_a.data(), device_w.data(), out.data(), device_offsets.data(), groups, c.n, c.k, rows,
      expected_rows};
  Operation operation;
  switch (kind) {
    case GemmKind::Mma:
      operation = GroupedGemm{GemmBy::Mma, args};
      break;
    case GemmKind::Wgmma:
      operation = GroupedGemm{GemmBy::Wgmma, args};
      break;
    case GemmKind::CublasLt:
      operation = LibraryGemm{Library::CublasLt, args, c.loads};
      break;
    case GemmKind::CublasGrouped:
      operation = LibraryGemm{Library::CublasGrouped, args, c.loads};
      break;
    case GemmKind::Fp8:
      operation = GroupedGemmFp8Args{device_a_codes.data(),
                                     device_a_scales.data(),
                                     device_w_codes.data(),
                                     device_w_scales.data(),
                                     out.data(),
                                     device_offsets.data(),
                                     groups,
                                     c.n,
                                     c.k,
                                     k_stride,
                                     scale_stride,
                                     rows,
                                     expected_rows};
      break;
  }
  if (!attempt(machine, operation, check)) return check;

  const std::vector<Bf16> result = out.read();
  std::int64_t unwritten = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (std::isnan(to_float(result[i]))) ++unwritten;
  }
  RelativeError error;
  // All of a small one; of a large one some tens of thousands, spread by a stride that meets every
  // column and row of a tile.
  const std::size_t stride = at(rows) * at(c.n) * at(c.k) <= 300'000'000 ? 1 : size / 40'000 + 1;
  std::size_t group = 0;
  for (std::size_t i = 0; i < size; i += stride) {
    const std::size_t row = i / at(c.n), column = i % at(c.n);
    while (static_cast<int>(row) >= offsets[group + 1]) ++group;
    const std::size_t w_row = (group * at(c.n) + column) * at(k_stride);
    double sum = 0;
    if (fp8) {
      for (std::size_t b = 0; b < at(k_blocks); ++b) {
        double block = 0;
        const std::size_t end = std::min(at(c.k), (b + 1) * kScaleBlock);
        for (std::size_t x = b * kScaleBlock; x < end; ++x) {
          block += double{to_float(a_codes.codes[row * at(k_stride) + x])} *
                   to_float(w_codes[w_row + x]);
        }
        sum += block * a_codes.scales[b * at(rows) + row] *
               w_scales[(group * at(n_blocks) + column / kScaleBlock) * at(k_blocks) + b];
      }
    } else {
      sum = reference_dot(std::span(a).subspan(row * at(c.k), at(c.k)),
                          std::span(w).subspan(w_row, at(c.k)));
    }
    error.add(to_float(result[i]), sum);
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, out, size);
  if (unwritten > 0) check.trouble = std::to_string(unwritten) + " outputs are NaN or unwritten";
  return check;
}

}  // namespace moesim::validation::cuda
