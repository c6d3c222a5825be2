#include "hardware/kernels/mla.h"

#include <algorithm>

namespace moesim::hardware {
namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

double keys_before(const MlaShape& s) {
  return real(std::max<std::int64_t>(0, s.kv_length - s.query_length));
}

FlashShape prefill_shape(const MlaInput& x) {
  const MlaShape& s = x.shape;
  return {.batch = real(s.batch),
          .queries = real(s.query_length),
          .keys = real(std::max(s.kv_length, s.query_length)),
          .heads = real(s.heads),
          .kv_heads = real(s.heads),
          .key_width = real(s.nope_dim + s.rope_dim),
          .value_width = real(s.value_dim),
          .window = 0,
          .cache_bytes = bytes_per_element(s.kv_precision),
          .shared_values = false,
          .repeated = x.repeated};
}

FlashShape decode_shape(const MlaInput& x) {
  const MlaShape& s = x.shape;
  return {.batch = real(s.batch),
          .queries = 1,
          .keys = real(std::max(s.kv_length, s.query_length)),
          // Tokens that are checked together are so many more heads on one cache.
          .heads = real(s.heads * s.query_length),
          .kv_heads = 1,
          .key_width = real(s.kv_lora_rank + s.rope_dim),
          .value_width = real(s.kv_lora_rank),
          .window = 0,
          .cache_bytes = bytes_per_element(s.kv_precision),
          .shared_values = true,
          .repeated = x.repeated};
}

}  // namespace

double ContextMlaModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return prefill_us(prefill_shape(x), r, p);
}

double ContextMlaModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(prefill_shape(x), r);
}

std::array<double, 3> ContextMlaModel::features(const Shape& x) {
  return {real(x.shape.batch), real(x.shape.query_length), real(x.shape.heads)};
}

std::array<double, 3> ContextMlaModel::beside(const Shape& x) {
  const MlaShape& s = x.shape;
  return {keys_before(s), real(s.nope_dim + s.rope_dim), real(s.value_dim)};
}

std::vector<std::vector<double>> ContextMlaModel::knots() {
  return {{1, 8, 64, 256}, {1, 64, 256, 1024, 4096, 32768}, {1, 8, 32, 128}};
}

std::string_view ContextMlaModel::regime(const Shape& x, const Rates&) {
  return x.shape.query_length <= 256 ? "short" : x.shape.query_length <= 2048 ? "medium" : "long";
}

const std::vector<Ladder>& ContextMlaModel::ladders(const Shape& x) {
  return prefill_ladders(keys_before(x.shape) > 0);
}

std::array<double, 3> ContextMlaModel::sizes(const Shape& x) {
  return {real(x.shape.batch), real(x.shape.query_length), keys_before(x.shape)};
}

MlaInput ContextMlaModel::with_sizes(Shape x, const std::array<double, 3>& sizes) {
  x.shape.batch = static_cast<std::int64_t>(sizes[0]);
  x.shape.query_length = static_cast<std::int64_t>(sizes[1]);
  x.shape.kv_length = x.shape.query_length + static_cast<std::int64_t>(sizes[2]);
  return x;
}

double DecodeMlaModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return decode_us(decode_shape(x), r, p);
}

double DecodeMlaModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(decode_shape(x), r);
}

const std::vector<Ladder>& DecodeMlaModel::ladders(const Shape&) {
  return decode_ladders();
}

std::array<double, 2> DecodeMlaModel::sizes(const Shape& x) {
  return {real(x.shape.batch), real(std::max(x.shape.kv_length, x.shape.query_length))};
}

MlaInput DecodeMlaModel::with_sizes(Shape x, const std::array<double, 2>& sizes) {
  x.shape.batch = static_cast<std::int64_t>(sizes[0]);
  x.shape.kv_length = static_cast<std::int64_t>(sizes[1]);
  return x;
}

std::optional<MlaInput> DecodeMlaModel::with_fewer_queries(const Shape& x) {
  if (x.shape.query_length <= 1) return {};
  Shape fewer = x;
  --fewer.shape.query_length;
  return fewer;
}

std::array<double, 3> DecodeMlaModel::features(const Shape& x) {
  const FlashShape f = decode_shape(x);
  return {f.batch, std::max(1.0, f.keys), f.heads};
}

// The latent vector's: values are its first part.
std::array<double, 2> DecodeMlaModel::beside(const Shape& x) {
  const MlaShape& s = x.shape;
  return {real(s.kv_lora_rank + s.rope_dim), real(s.kv_lora_rank)};
}

std::vector<std::vector<double>> DecodeMlaModel::knots() {
  return {{1, 4, 8, 16, 32, 64, 128, 256, 1024},
          {2, 16, 32, 64, 128, 256, 512, 2048, 16384, 131072},
          {1, 8, 32, 128}};
}

std::string_view DecodeMlaModel::regime(const Shape& x, const Rates& r) {
  const double cache = cache_bytes(decode_shape(x));
  return cache < 0.1 * r.l2 ? "small" : cache < 2 * r.l2 ? "medium" : "large";
}

}  // namespace moesim::hardware
