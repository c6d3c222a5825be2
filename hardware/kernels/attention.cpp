#include "hardware/kernels/attention.h"

#include <algorithm>

namespace moesim::hardware {
namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

FlashShape flash_of(const AttentionInput& x) {
  const AttentionShape& s = x.shape;
  return {.batch = real(s.batch),
          .queries = real(s.query_length),
          .keys = real(std::max(s.kv_length, s.query_length)),
          .heads = real(s.heads),
          .kv_heads = real(std::max<std::int64_t>(1, s.kv_heads)),
          .key_width = real(s.head_dim),
          .value_width = real(s.head_dim),
          .window = real(s.window),
          .cache_bytes = bytes_per_element(s.kv_precision),
          .shared_values = false,
          .repeated = x.repeated,
          .most_packed = x.most_packed};
}

double group(const AttentionShape& s) {
  return real(s.heads) / real(std::max<std::int64_t>(1, s.kv_heads));
}

}  // namespace

double most_packed_heads(std::string_view implementation) {
  return implementation == "trtllm" ? 32 : 1e9;
}

double ContextAttentionModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return prefill_us(flash_of(x), r, p);
}

double ContextAttentionModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(flash_of(x), r);
}

std::array<double, 5> ContextAttentionModel::features(const Shape& x) {
  const AttentionShape& s = x.shape;
  return {real(s.batch), real(s.query_length), real(s.heads), group(s), real(s.head_dim)};
}

std::vector<std::vector<double>> ContextAttentionModel::knots() {
  return {
      {1, 4, 16, 64, 256}, {1, 64, 256, 1024, 4096, 16384}, {1, 4, 16, 96}, {1, 8, 96}, {64, 128}};
}

std::string_view ContextAttentionModel::regime(const Shape& x, const Rates&) {
  return x.shape.query_length <= 256 ? "short" : x.shape.query_length <= 2048 ? "medium" : "long";
}

double DecodeAttentionModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return decode_us(flash_of(x), r, p);
}

double DecodeAttentionModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(flash_of(x), r);
}

std::array<double, 4> DecodeAttentionModel::features(const Shape& x) {
  const AttentionShape& s = x.shape;
  return {decode_blocks(flash_of(x)), real(std::max<std::int64_t>(1, s.kv_length)), group(s),
          real(s.head_dim)};
}

std::vector<std::vector<double>> DecodeAttentionModel::knots() {
  return {{1, 8, 32, 128, 256, 1024, 8192, 131072},
          {2, 16, 32, 64, 128, 256, 512, 2048, 8192, 32768, 131072},
          {1, 2, 8, 16, 32, 40, 128},
          {64, 128}};
}

std::string_view DecodeAttentionModel::regime(const Shape& x, const Rates& r) {
  const double cache = cache_bytes(flash_of(x));
  return cache < 0.1 * r.l2 ? "small" : cache < 2 * r.l2 ? "medium" : "large";
}

}  // namespace moesim::hardware
