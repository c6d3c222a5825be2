#include "hardware/kernels/attention.h"

#include <algorithm>

namespace moesim::hardware {
namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

double keys_before(const AttentionShape& s) {
  return real(std::max<std::int64_t>(0, s.kv_length - s.query_length));
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

// Of the tokens that a sequence decodes together each sees the same cache: they are so many more
// query heads that share its loads.
FlashShape decode_flash_of(const AttentionInput& x) {
  FlashShape f = flash_of(x);
  if (f.window > 0) f.window += f.queries - 1;
  f.heads *= f.queries;
  f.queries = 1;
  return f;
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

std::array<double, 2> ContextAttentionModel::beside(const Shape& x) {
  const AttentionShape& s = x.shape;
  return {keys_before(s), s.window < std::max(s.kv_length, s.query_length) ? real(s.window) : 0};
}

std::vector<std::vector<double>> ContextAttentionModel::knots() {
  return {
      {1, 4, 16, 64, 256}, {1, 64, 256, 1024, 4096, 16384}, {1, 4, 16, 96}, {1, 8, 96}, {64, 128}};
}

std::string_view ContextAttentionModel::regime(const Shape& x, const Rates&) {
  return x.shape.query_length <= 256 ? "short" : x.shape.query_length <= 2048 ? "medium" : "long";
}

const std::vector<Ladder>& ContextAttentionModel::ladders(const Shape& x) {
  return prefill_ladders(keys_before(x.shape) > 0);
}

std::array<double, 3> ContextAttentionModel::sizes(const Shape& x) {
  return {real(x.shape.batch), real(x.shape.query_length), keys_before(x.shape)};
}

AttentionInput ContextAttentionModel::with_sizes(Shape x, const std::array<double, 3>& sizes) {
  x.shape.batch = static_cast<std::int64_t>(sizes[0]);
  x.shape.query_length = static_cast<std::int64_t>(sizes[1]);
  x.shape.kv_length = x.shape.query_length + static_cast<std::int64_t>(sizes[2]);
  return x;
}

double DecodeAttentionModel::us(const Shape& x, const Rates& r, const Parameters& p) {
  return decode_us(decode_flash_of(x), r, p);
}

double DecodeAttentionModel::least_us(const Shape& x, const Rates& r) {
  return least_flash_us(decode_flash_of(x), r);
}

const std::vector<Ladder>& DecodeAttentionModel::ladders(const Shape&) {
  return decode_ladders();
}

std::array<double, 2> DecodeAttentionModel::sizes(const Shape& x) {
  return {real(x.shape.batch), real(std::max(x.shape.kv_length, x.shape.query_length))};
}

AttentionInput DecodeAttentionModel::with_sizes(Shape x, const std::array<double, 2>& sizes) {
  x.shape.batch = static_cast<std::int64_t>(sizes[0]);
  x.shape.kv_length = static_cast<std::int64_t>(sizes[1]);
  return x;
}

std::optional<AttentionInput> DecodeAttentionModel::with_fewer_queries(const Shape& x) {
  if (x.shape.query_length <= 1) return {};
  Shape fewer = x;
  --fewer.shape.query_length;
  return fewer;
}

std::array<double, 4> DecodeAttentionModel::features(const Shape& x) {
  const AttentionShape& s = x.shape;
  const FlashShape f = decode_flash_of(x);
  return {decode_blocks(f), std::max(1.0, seen_keys(f)), f.heads / f.kv_heads, real(s.head_dim)};
}

std::array<double, 2> DecodeAttentionModel::beside(const Shape& x) {
  return {real(x.shape.batch), real(x.shape.heads)};
}

std::vector<std::vector<double>> DecodeAttentionModel::knots() {
  return {{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 8192, 131072},
          {2, 16, 32, 64, 128, 256, 512, 2048, 8192, 32768, 131072},
          {1, 2, 8, 16, 32, 40, 128},
          {64, 128}};
}

std::string_view DecodeAttentionModel::regime(const Shape& x, const Rates& r) {
  const double cache = cache_bytes(decode_flash_of(x));
  return cache < 0.1 * r.l2 ? "small" : cache < 2 * r.l2 ? "medium" : "large";
}

}  // namespace moesim::hardware
