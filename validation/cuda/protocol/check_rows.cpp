#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {

Check check_permute(Machine& machine, int tokens, int top_k, int hidden, std::uint64_t seed) {
  Check check{"permute " + product({tokens, top_k, hidden}), 0, 0, 0, "", ""};
  const std::vector<Bf16> input = random_bf16(seed, at(tokens) * at(hidden));
  std::vector<int> token_of(at(tokens) * at(top_k));
  for (std::size_t i = 0; i < token_of.size(); ++i) {
    token_of[i] = static_cast<int>(hash_bits(seed + 1, i) % static_cast<std::uint64_t>(tokens));
  }
  const Buffer<Bf16> device_input(machine, input);
  const Buffer<int> device_tokens(machine, token_of);
  const Buffer<int> count(machine, std::vector<int>{static_cast<int>(token_of.size())});
  Buffer<Bf16> rows(machine, token_of.size() * at(hidden) + kGuard);
  rows.poison();
  if (!attempt(machine,
               PermuteArgs{device_input.data(), rows.data(), device_tokens.data(), count.data(),
                           hidden, tokens * top_k},
               check)) {
    return check;
  }
  std::vector<Bf16> expected;
  for (const int token : token_of) {
    const auto first = input.begin() + std::ptrdiff_t{token} * hidden;
    expected.insert(expected.end(), first, first + hidden);
  }
  count_unequal(check, rows.read(), expected);
  look_beyond(check, rows, expected.size());
  return check;
}

Check check_unpermute(Machine& machine, int tokens, int top_k, int hidden, std::uint64_t seed) {
  Check check{"unpermute " + product({tokens, top_k, hidden}), 0, kBf16Bound, 0, "", ""};
  const int row_count = tokens * top_k;
  const std::vector<Bf16> rows = random_bf16(seed, at(row_count) * at(hidden));
  const std::vector<float> weights = random_float(seed + 1, at(row_count));
  std::vector<int> row_of(at(row_count));
  // Backwards, and every fifth lives elsewhere.
  for (int i = 0; i < row_count; ++i) row_of[at(i)] = i % 5 == 4 ? -1 : row_count - 1 - i;
  const Buffer<Bf16> device_rows(machine, rows);
  const Buffer<float> device_weights(machine, weights);
  const Buffer<int> device_row_of(machine, row_of);
  const std::size_t count = at(tokens) * at(hidden);
  Buffer<Bf16> out(machine, count + kGuard);
  out.poison();
  if (!attempt(machine,
               UnpermuteArgs{device_rows.data(), device_row_of.data(), device_weights.data(),
                             out.data(), tokens, top_k, hidden},
               check)) {
    return check;
  }
  const std::vector<Bf16> result = out.read();
  RelativeError error;
  for (int t = 0; t < tokens; ++t) {
    for (int h = 0; h < hidden; ++h) {
      double sum = 0;
      for (int k = 0; k < top_k; ++k) {
        const int row = row_of[at(t * top_k + k)];
        if (row >= 0) {
          sum += double{weights[at(t * top_k + k)]} * to_float(rows[at(row) * at(hidden) + at(h)]);
        }
      }
      error.add(to_float(result[at(t) * at(hidden) + at(h)]), sum);
    }
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, out, count);
  return check;
}

Check check_swiglu(Machine& machine, int rows, int inter, std::uint64_t seed) {
  Check check{"swiglu " + product({rows, inter}), 0, kBf16Bound, 0, "", ""};
  const std::vector<Bf16> gate_up = random_bf16(seed, at(rows) * at(inter) * 2, 2);
  const Buffer<Bf16> device(machine, gate_up);
  const Buffer<int> count(machine, std::vector<int>{rows});
  const std::size_t size = at(rows) * at(inter);
  Buffer<Bf16> out(machine, size + kGuard);
  out.poison();
  if (!attempt(machine, SwigluArgs{device.data(), out.data(), count.data(), inter, rows + 3},
               check)) {
    return check;
  }
  const std::vector<Bf16> result = out.read();
  RelativeError error;
  for (std::size_t r = 0; r < at(rows); ++r) {
    for (std::size_t i = 0; i < at(inter); ++i) {
      const std::size_t gate = r * 2 * at(inter) + i;
      error.add(to_float(result[r * at(inter) + i]),
                reference_swiglu(to_float(gate_up[gate]), to_float(gate_up[gate + at(inter)])));
    }
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, out, size);
  return check;
}

Check check_quantise(Machine& machine, int rows, int k, std::uint64_t seed) {
  Check check{"quantise " + product({rows, k}), 0, 0.05, 0, "", ""};
  std::vector<Bf16> input = random_bf16(seed, at(rows) * at(k));
  for (std::size_t i = 0; i < at(std::min(k, kScaleBlock)); ++i)
    input[i] = {0};  // a block of zeros
  const int stride = round_up(k, 16), scale_stride = round_up(rows, 4);
  const Buffer<Bf16> device(machine, input);
  const Buffer<int> count(machine, std::vector<int>{rows});
  const std::size_t size = at(rows) * at(stride);
  Buffer<Fp8> codes(machine, size + kGuard);
  Buffer<float> scales(machine, at(scale_stride) * at(ceil_div(k, kScaleBlock)));
  codes.poison();
  scales.poison();
  if (!attempt(machine,
               QuantiseArgs{device.data(), codes.data(), scales.data(), count.data(), k, stride,
                            scale_stride, rows},
               check)) {
    return check;
  }
  const Quantised expected = reference_quantise(input, rows, k, stride);
  const std::vector<Fp8> out = codes.read();
  const std::vector<float> out_scales = scales.read();
  RelativeError error;  // of the values that the codes stand for, against the input
  int far = 0;
  for (std::size_t r = 0; r < at(rows); ++r) {
    for (std::size_t i = 0; i < at(stride); ++i) {
      const Fp8 code = out[r * at(stride) + i];
      // A device may divide differently in the last bit, which can tip a tie: one code apart.
      if (std::abs(int{code.bits} - int{expected.codes[r * at(stride) + i].bits}) > 1) ++far;
      if (i >= at(k)) continue;
      const std::size_t block = i / kScaleBlock;
      error.add(to_float(code) * double{out_scales[block * at(scale_stride) + r]},
                to_float(input[r * at(k) + i]));
      const double scale = expected.scales[block * at(rows) + r];
      if (!(std::fabs(out_scales[block * at(scale_stride) + r] - scale) <= 1e-6 * scale)) ++far;
    }
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, codes, size);
  if (far > 0) check.trouble = std::to_string(far) + " codes or scales are off";
  return check;
}

}  // namespace moesim::validation::cuda
