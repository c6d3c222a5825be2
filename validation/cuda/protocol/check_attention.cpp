#include "validation/cuda/protocol/check_support.h"

namespace moesim::validation::cuda {

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

}  // namespace moesim::validation::cuda
