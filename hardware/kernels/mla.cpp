#include "hardware/kernels/mla.h"

#include <algorithm>

namespace moesim::hardware {
namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
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
          .queries = real(s.query_length),
          .keys = real(std::max(s.kv_length, s.query_length)),
          .heads = real(s.heads),
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

std::vector<std::vector<double>> ContextMlaModel::knots() {
  return {{1, 8, 64, 256}, {1, 64, 256, 1024, 4096, 32768}, {1, 8, 32, 128}};
}

std::string_view ContextMlaModel::regime(const Shape& x, const Rates&) {
  return x.shape.query_length <= 256 ? "short" : x.shape.query_length <= 2048 ? "medium" : "long";
}

double DecodeMlaModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return decode_us(decode_shape(x), r, p);
}

double DecodeMlaModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(decode_shape(x), r);
}

std::array<double, 3> DecodeMlaModel::features(const Shape& x) {
  return {real(x.shape.batch), real(std::max<std::int64_t>(1, x.shape.kv_length)),
          real(x.shape.heads)};
}

std::vector<std::vector<double>> DecodeMlaModel::knots() {
  return {{1, 8, 32, 128, 1024}, {2, 256, 2048, 16384, 131072}, {1, 8, 32, 128}};
}

std::string_view DecodeMlaModel::regime(const Shape& x, const Rates& r) {
  const double cache = cache_bytes(decode_shape(x));
  return cache < 0.1 * r.l2 ? "small" : cache < 2 * r.l2 ? "medium" : "large";
}

}  // namespace moesim::hardware
