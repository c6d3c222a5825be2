#include "hardware/kernels/work.h"

#include <algorithm>
#include <cmath>

namespace moesim::hardware {
namespace {

constexpr double kActivation = 2;  // bytes: activations lie in bf16 between kernels

double real(std::int64_t n) {
  return static_cast<double>(n);
}

// Query-key pairs of one sequence: causal, and not further back than the window.
double pairs(std::int64_t query_length, std::int64_t kv_length, std::int64_t window) {
  const double q = real(query_length);
  const double kv = real(std::max(kv_length, query_length));
  const double before = kv - q;  // keys that every query sees
  if (window <= 0 || real(window) >= kv) return q * before + q * (q + 1) / 2;
  const double w = real(window);
  // Query i (from 1) sees min(before + i, w) keys.
  const double growing = std::clamp(w - before, 0.0, q);
  return growing * before + growing * (growing + 1) / 2 + (q - growing) * w;
}

}  // namespace

Work work_of(const GemmShape& s) {
  const double m = real(s.m), n = real(s.n), k = real(s.k);
  return {.flops = 2 * m * n * k,
          .bytes = n * k * bytes_per_element(s.precision) + (m * k + m * n) * kActivation};
}

Work work_of(const GroupedGemmShape& s) {
  const GroupRows g = group_rows(s.rows);
  const double n = real(s.n), k = real(s.k);
  return {
      .flops = 2 * g.rows * n * k,
      .bytes = g.active * n * k * bytes_per_element(s.precision) + g.rows * (k + n) * kActivation};
}

Work work_of(const MoeShape& s) {
  return work_of(s, s.tokens, group_rows(s.rows));
}

Work work_of(const MoeShape& s, std::int64_t tokens, const GroupRows& g) {
  const double matrices = s.gated ? 3 : 2;
  const double weights = matrices * real(s.hidden) * real(s.inter);
  const double layer = std::min(g.rows, real(tokens));
  return {.flops = 2 * g.rows * weights,
          .bytes = g.active * weights * bytes_per_element(s.precision) +
                   2 * layer * real(s.hidden) * kActivation};
}

Work work_of(const AttentionShape& s) {
  const double seen = pairs(s.query_length, s.kv_length, s.window);
  const double b = real(s.batch), d = real(s.head_dim);
  const double keys = real(s.window > 0 ? std::min(s.kv_length, s.window + s.query_length - 1)
                                        : std::max(s.kv_length, s.query_length));
  return {.flops = 4 * b * real(s.heads) * d * seen,
          .bytes = b * (2 * keys * real(s.kv_heads) * d * bytes_per_element(s.kv_precision) +
                        2 * real(s.query_length) * real(s.heads) * d * kActivation)};
}

Work work_of(const MlaShape& s) {
  const double seen = pairs(s.query_length, s.kv_length, 0);
  const double b = real(s.batch), q = real(s.query_length), h = real(s.heads);
  const double kv = real(std::max(s.kv_length, s.query_length));
  const double latent = real(s.kv_lora_rank), rope = real(s.rope_dim);
  if (!s.prompt) {  // absorbed: one latent head of keys and values serves all heads
    return {.flops = 2 * b * h * seen * (2 * latent + rope),
            .bytes = b * (kv * (latent + rope) * bytes_per_element(s.kv_precision) +
                          q * h * (2 * latent + rope) * kActivation)};
  }
  const double key = real(s.nope_dim) + rope, value = real(s.value_dim);
  return {.flops = 2 * b * h * seen * (key + value),
          .bytes = b * h * (q * (key + value) + kv * (key + value)) * kActivation};
}

// Scores read once; ids and weights written.
Work work_of(const RouterShape& s) {
  return {.flops = 0, .bytes = real(s.tokens) * (4 * real(s.experts) + 8 * real(s.top_k))};
}

Work work_of(const RowsShape& s) {
  const double there = s.back ? real(s.tokens) : real(std::min(s.tokens, s.rows));
  return {.flops = 0, .bytes = (there + real(s.rows)) * s.row_bytes};
}

Work work_of(const ElementwiseShape& s) {
  return {.flops = 0, .bytes = static_cast<double>(s.bytes.count())};
}

}  // namespace moesim::hardware
