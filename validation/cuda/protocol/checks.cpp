#include "validation/cuda/protocol/checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "validation/cuda/protocol/layer.h"

namespace moesim::validation::cuda {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::string product(std::initializer_list<int> sizes) {
  std::string text;
  for (const int size : sizes) text += (text.empty() ? "" : "x") + std::to_string(size);
  return text;
}

// Room behind an output that nobody may write to.
constexpr std::size_t kGuard = 1024;

template <class T>
void look_beyond(Check& check, const Buffer<T>& buffer, std::size_t used) {
  const std::vector<T> guard = buffer.read(used, buffer.size() - used);
  std::size_t touched = 0;
  for (const T& value : guard) {
    T poison;
    std::memset(&poison, 0xff, sizeof poison);
    if (std::memcmp(&value, &poison, sizeof value) != 0) ++touched;
  }
  if (touched > 0) {
    check.trouble = std::to_string(touched) + " values beyond the output were written";
  }
}

template <class T>
bool equal(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

template <class T>
void count_unequal(Check& check, const std::vector<T>& out, const std::vector<T>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!equal(out[i], expected[i])) ++check.error;
  }
  check.compared += static_cast<std::int64_t>(expected.size());
}

// Runs it, or notes why it cannot be run.
bool attempt(Machine& machine, const Operation& operation, Check& check) {
  if (const auto reason = machine.cannot(operation)) {
    check.skipped = reason->why;
    return false;
  }
  machine.run(operation);
  return true;
}

}  // namespace

Check check_router(Machine& machine, const RouterCase& c, std::uint64_t seed) {
  const RouterRule& rule = c.rule;
  Check check{"router " + product({c.tokens, rule.experts}) + " top " + std::to_string(rule.top_k) +
                  (rule.sigmoid ? " sigmoid" : " softmax") + (c.bias ? " bias" : "") +
                  (c.ties ? " ties" : "") +
                  (rule.groups > 1 ? " groups " + std::to_string(rule.groups) : ""),
              0,
              1e-5,
              0,
              "",
              ""};
  std::vector<float> logits = random_float(seed, at(c.tokens) * at(rule.experts));
  if (c.ties) {
    for (float& l : logits) l = std::floor(l);
  }
  const std::vector<float> bias =
      c.bias ? random_float(seed + 1, at(rule.experts), 0.1) : std::vector<float>();
  const Buffer<float> device_logits(machine, logits), device_bias(machine, bias);
  const std::size_t count = at(c.tokens) * at(rule.top_k);
  Buffer<int> ids(machine, count + kGuard);
  Buffer<float> weights(machine, count + kGuard);
  ids.poison();
  weights.poison();
  RouterArgs args;
  args.logits = device_logits.data();
  args.bias = c.bias ? device_bias.data() : nullptr;
  args.ids = ids.data();
  args.weights = weights.data();
  args.tokens = c.tokens;
  args.experts = rule.experts;
  args.top_k = rule.top_k;
  args.sigmoid = rule.sigmoid;
  args.groups = rule.groups;
  args.top_groups = rule.top_groups;
  args.normalise = rule.normalise;
  args.scale = static_cast<float>(rule.scale);
  if (!attempt(machine, args, check)) return check;

  const std::vector<int> out_ids = ids.read();
  const std::vector<float> out_weights = weights.read();
  RelativeError error;
  int wrong = 0;
  for (int t = 0; t < c.tokens; ++t) {
    const Chosen expected = reference_router(
        rule, std::span(logits).subspan(at(t) * at(rule.experts), at(rule.experts)), bias);
    for (int k = 0; k < rule.top_k; ++k) {
      const std::size_t place = at(t) * at(rule.top_k) + at(k);
      const int id = out_ids[place], best = expected.ids[at(k)];
      if (id < 0 || id >= rule.experts) {
        ++wrong;
      } else if (id != best) {
        // Floats may order two choices the other way that are closer than a float can tell.
        const double gap = expected.choice[at(best)] - expected.choice[at(id)];
        if (c.ties || !(std::fabs(gap) <= 1e-6)) ++wrong;
      }
      error.add(out_weights[place], expected.weights[at(k)]);
    }
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, ids, count);
  look_beyond(check, weights, count);
  if (wrong > 0) check.trouble = std::to_string(wrong) + " experts are not the best";
  return check;
}

Check check_sort(Machine& machine, const SortCase& c, std::uint64_t seed) {
  Check check{"sort " + product({c.tokens, c.top_k}) + " to " + std::to_string(c.experts) + " of " +
                  std::to_string(c.all_experts),
              0,
              0,
              0,
              "",
              ""};
  std::vector<int> ids(at(c.tokens) * at(c.top_k));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    // Squared: the low experts get most, some of the high ones none.
    const double u = static_cast<double>(hash_bits(seed, i) >> 11) * 0x1p-53;
    ids[i] = static_cast<int>(u * u * c.all_experts);
  }
  const Sorted expected = reference_sort(ids, c.top_k, c.first, c.experts);
  const Buffer<int> device_ids(machine, ids);
  Buffer<int> counts(
      machine, at(ceil_div(std::max(1, c.tokens * c.top_k), kSelectionsPerChunk)) * at(c.experts));
  Buffer<int> offsets(machine, at(c.experts) + 1 + kGuard);
  Buffer<int> row_of(machine, ids.size() + kGuard), token_of(machine, ids.size() + kGuard);
  for (Buffer<int>* buffer : {&counts, &offsets, &row_of, &token_of}) buffer->poison();
  if (!attempt(machine,
               SortArgs{device_ids.data(), c.tokens, c.top_k, c.first, c.experts, counts.data(),
                        offsets.data(), row_of.data(), token_of.data()},
               check)) {
    return check;
  }
  count_unequal(check, offsets.read(), expected.offsets);
  count_unequal(check, row_of.read(), expected.row_of);
  count_unequal(check, token_of.read(), expected.token_of);
  look_beyond(check, offsets, at(c.experts) + 1);
  look_beyond(check, row_of, ids.size());
  look_beyond(check, token_of, expected.token_of.size());
  return check;
}

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

Check check_attention(Machine& machine, const AttentionCase& c, std::uint64_t seed) {
  constexpr std::size_t kDim = 128;
  Check check{"attention_decode " + product({c.batch, c.heads, c.kv_heads, c.length}) + " in " +
                  std::to_string(c.splits),
              0,
              kBf16Bound,
              0,
              "",
              ""};
  const std::size_t heads = at(c.batch) * at(c.heads), caches = at(c.batch) * at(c.kv_heads);
  const std::vector<Bf16> query = random_bf16(seed, heads * kDim);
  const std::vector<Bf16> keys = random_bf16(seed + 1, caches * at(c.length) * kDim);
  const std::vector<Bf16> values = random_bf16(seed + 2, caches * at(c.length) * kDim);
  const Buffer<Bf16> device_query(machine, query), device_keys(machine, keys),
      device_values(machine, values);
  Buffer<float> partial(machine, heads * at(c.splits) * (kDim + 2));
  Buffer<Bf16> out(machine, heads * kDim + kGuard);
  partial.poison();
  out.poison();
  if (!attempt(machine,
               AttentionArgs{device_query.data(), device_keys.data(), device_values.data(),
                             partial.data(), out.data(), c.batch, c.heads, c.kv_heads, c.length,
                             c.splits},
               check)) {
    return check;
  }
  const std::vector<Bf16> result = out.read();
  RelativeError error;
  for (std::size_t head = 0; head < heads; ++head) {
    const std::size_t cache = head / at(c.heads / c.kv_heads) * at(c.length) * kDim;
    const std::vector<double> expected =
        reference_attention(std::span(query).subspan(head * kDim, kDim),
                            std::span(keys).subspan(cache, at(c.length) * kDim),
                            std::span(values).subspan(cache, at(c.length) * kDim));
    for (std::size_t d = 0; d < kDim; ++d)
      error.add(to_float(result[head * kDim + d]), expected[d]);
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, out, heads * kDim);
  return check;
}

Check check_copy(Machine& machine, std::int64_t pieces, std::uint64_t seed) {
  Check check{"copy and read " + std::to_string(pieces) + " x 16 bytes", 0, 0, 0, "", ""};
  std::vector<std::uint32_t> words(at(pieces) * 4);
  std::uint32_t mixed = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<std::uint32_t>(hash_bits(seed, i));
    mixed ^= words[i];
  }
  const Buffer<std::uint32_t> from(machine, words);
  Buffer<std::uint32_t> to(machine, words.size() + kGuard);
  to.poison();
  const auto* source = reinterpret_cast<const Vector16*>(from.data());
  if (!attempt(machine, StreamCopy{{source, reinterpret_cast<Vector16*>(to.data()), pieces}},
               check)) {
    return check;
  }
  count_unequal(check, to.read(), words);
  look_beyond(check, to, words.size());
  Buffer<std::uint32_t> sums(machine, at(kReadResultWords));
  machine.set_bytes(sums.data(), 0, sums.bytes());  // threads that had no part leave zeros
  machine.run(StreamRead{{source, reinterpret_cast<Vector16*>(sums.data()), pieces}});
  for (const std::uint32_t word : sums.read()) mixed ^= word;
  if (mixed != 0) check.trouble = "the read did not see every word once";
  return check;
}

Check check_fill(Machine& machine, std::int64_t count, std::uint64_t seed) {
  Check check{"fill " + std::to_string(count), 0, 0, 0, "", ""};
  Buffer<Bf16> out(machine, at(count) + kGuard);
  out.poison();
  const Buffer<std::uint64_t> nans(machine, std::vector<std::uint64_t>{0});
  auto* counter = reinterpret_cast<unsigned long long*>(nans.data());
  // All of it is NaN before.
  if (!attempt(machine, CountNanArgs{out.data(), count, counter}, check)) return check;
  machine.run(FillArgs{out.data(), count, Filling::Bf16, seed, 1, 0});
  count_unequal(check, out.read(), random_bf16(seed, at(count)));
  look_beyond(check, out, at(count));
  machine.run(CountNanArgs{out.data(), count, counter});  // adds none
  if (nans.read()[0] != static_cast<std::uint64_t>(count)) check.trouble = "NaN were miscounted";
  return check;
}

Check check_layer(Machine& machine, GemmKind kind, const LayerCase& c, std::uint64_t seed) {
  const bool fp8 = kind == GemmKind::Fp8;
  Check check{"layer " + name_of(kind) + " " + product({c.tokens, c.hidden, c.inter}) +
                  " experts " + std::to_string(c.rule.experts) + " top " +
                  std::to_string(c.rule.top_k),
              0,
              fp8 ? kFp8LayerBound : kLayerBound,
              0,
              "",
              ""};
  const LayerShape shape{c.rule, c.tokens, c.hidden, c.inter, fp8, kind == GemmKind::Wgmma};
  Layer layer(machine, shape, seed);
  const LayerWeights weights(machine, shape, seed + 100);
  for (const Operation& operation : layer.operations(weights)) {
    if (!attempt(machine, operation, check)) return check;
  }

  const std::vector<float> logits = layer.logits.read();
  const std::vector<Bf16> input = layer.input.read();
  // Weights as numbers, whatever they are stored in.
  const auto unpacked = [&](const Buffer<Bf16>& plain, const Buffer<Fp8>& codes,
                            const Buffer<float>& scales, int n, int k) {
    const std::size_t groups = at(c.rule.experts);
    std::vector<double> numbers;
    numbers.reserve(groups * at(n) * at(k));
    if (!fp8) {
      for (const Bf16 value : plain.read()) numbers.push_back(to_float(value));
      return numbers;
    }
    const std::vector<Fp8> code = codes.read();
    const std::vector<float> scale = scales.read();
    const std::size_t n_blocks = at(ceil_div(n, kScaleBlock)),
                      k_blocks = at(ceil_div(k, kScaleBlock));
    for (std::size_t g = 0; g < groups; ++g) {
      for (std::size_t i = 0; i < at(n); ++i) {
        for (std::size_t x = 0; x < at(k); ++x) {
          numbers.push_back(
              to_float(code[(g * at(n) + i) * at(round_up(k, 16)) + x]) *
              double{scale[(g * n_blocks + i / kScaleBlock) * k_blocks + x / kScaleBlock]});
        }
      }
    }
    return numbers;
  };
  const std::vector<double> gate_up = unpacked(weights.gate_up, weights.gate_up_codes,
                                               weights.gate_up_scales, 2 * c.inter, c.hidden);
  const std::vector<double> down =
      unpacked(weights.down, weights.down_codes, weights.down_scales, c.hidden, c.inter);
  const std::vector<Bf16> result = layer.output.read();

  RelativeError error;
  const std::size_t inter = at(c.inter), hidden = at(c.hidden);
  const int step = std::max(1, c.tokens / 64);  // of a large layer some tokens
  for (int t = 0; t < c.tokens; t += step) {
    const Chosen chosen = reference_router(
        c.rule, std::span(logits).subspan(at(t) * at(c.rule.experts), at(c.rule.experts)), {});
    std::vector<double> out(hidden, 0.0);
    for (std::size_t s = 0; s < chosen.ids.size(); ++s) {
      const std::size_t expert = at(chosen.ids[s]);
      std::vector<double> middle(2 * inter, 0.0);
      for (std::size_t i = 0; i < 2 * inter; ++i) {
        for (std::size_t h = 0; h < hidden; ++h) {
          middle[i] +=
              to_float(input[at(t) * hidden + h]) * gate_up[(expert * 2 * inter + i) * hidden + h];
        }
      }
      for (std::size_t h = 0; h < hidden; ++h) {
        double sum = 0;
        for (std::size_t i = 0; i < inter; ++i) {
          sum += reference_swiglu(middle[i], middle[inter + i]) *
                 down[(expert * hidden + h) * inter + i];
        }
        out[h] += chosen.weights[s] * sum;
      }
    }
    for (std::size_t h = 0; h < hidden; ++h) {
      error.add(to_float(result[at(t) * hidden + h]), out[h]);
    }
  }
  check.error = error.value();
  check.compared = error.count();
  for (const Bf16 value : result) {
    if (std::isnan(to_float(value))) check.trouble = "an output is NaN or unwritten";
  }
  return check;
}

}  // namespace moesim::validation::cuda
