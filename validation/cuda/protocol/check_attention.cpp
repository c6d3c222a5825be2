#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {
namespace {

constexpr std::size_t kDim = 128;

}  // namespace

Check check_attention(Machine& machine, const AttentionCase& c, std::uint64_t seed) {
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

Check check_attention_prefill(Machine& machine, const AttentionPrefillCase& c, std::uint64_t seed) {
  Check check{"attention_prefill " + product({c.batch, c.heads, c.kv_heads, c.queries, c.length}),
              0,
              kBf16Bound,
              0,
              "",
              ""};
  const std::size_t rows = at(c.batch) * at(c.queries) * at(c.heads);
  const std::size_t length = at(c.length) * kDim;
  const std::vector<Bf16> query = random_bf16(seed, rows * kDim);
  const std::vector<Bf16> keys = random_bf16(seed + 1, at(c.batch) * at(c.kv_heads) * length);
  const std::vector<Bf16> values = random_bf16(seed + 2, keys.size());
  const Buffer<Bf16> device_query(machine, query), device_keys(machine, keys),
      device_values(machine, values);
  Buffer<Bf16> out(machine, rows * kDim + kGuard);
  out.poison();
  if (!attempt(machine,
               AttentionPrefillArgs{device_query.data(), device_keys.data(), device_values.data(),
                                    out.data(), c.batch, c.heads, c.kv_heads, c.queries, c.length},
               check)) {
    return check;
  }
  const std::vector<Bf16> result = out.read();
  RelativeError error;
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t head = row % at(c.heads), token = row / at(c.heads);
    const std::size_t cache =
        token / at(c.queries) * at(c.kv_heads) + head / at(c.heads / c.kv_heads);
    // Its own key is the last that it sees.
    const std::size_t seen = at(c.length - c.queries) + token % at(c.queries) + 1;
    const std::vector<double> expected =
        reference_attention(std::span(query).subspan(row * kDim, kDim),
                            std::span(keys).subspan(cache * length, seen * kDim),
                            std::span(values).subspan(cache * length, seen * kDim));
    for (std::size_t d = 0; d < kDim; ++d) error.add(to_float(result[row * kDim + d]), expected[d]);
  }
  check.error = error.value();
  check.compared = error.count();
  look_beyond(check, out, rows * kDim);
  return check;
}

}  // namespace moesim::validation::cuda
