// What a kernel is asked to do, in numbers: the shapes that every cost model takes.
// Hardware knows a grouped GEMM with a list of row counts; that a group is an expert is not its
// business.
#pragma once

#include <compare>
#include <cstdint>
#include <span>

#include "hardware/precision.h"
#include "sim/units.h"

namespace moesim::hardware {

// y[m, n] = x[m, k] W[n, k]^T; activations and result in bf16. Where the precision is below 16 bits
// x is quantised first, in kernels of its own, unless whoever made it has done that.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  Precision precision = Precision::BF16;
  bool quantised = false;  // x comes in that precision: from a norm or an activation that wrote it
  bool repeated =
      false;           // the same weights again and again, as in a benchmark: the L2 may hold them
  double host_us = 0;  // what the host takes to launch it all, where it was not run from a graph

  auto operator<=>(const GemmShape&) const = default;
};

// One GEMM a group, weights [n, k] each, in one launch.
struct GroupedGemmShape {
  std::span<const std::int64_t> rows;  // of each group, zeros allowed
  std::int64_t n = 0, k = 0;
  Precision precision = Precision::BF16;
};

// A fused mixture layer on one GPU: routing, permute, GEMM (gate and up), activation, GEMM (down),
// finalize. No communication, no router GEMM.
struct MoeShape {
  std::int64_t tokens = 0;  // rows that are routed (all that this GPU sees)
  std::int64_t hidden = 0;
  std::int64_t inter = 0;  // width of one expert's half on this GPU (after ETP)
  std::int64_t top_k = 1;
  std::int64_t experts = 0;            // of the whole layer
  std::span<const std::int64_t> rows;  // of each local expert, zeros allowed
  Precision precision = Precision::BF16;
  bool gated = true;   // three matrices an expert; otherwise two
  bool routed = true;  // false: rows come sorted by expert (after a dispatch)
};

// Attention of `batch` sequences of equal length on one GPU; heads are those of this GPU. New
// tokens of a prompt are computed by the kernels of prefill; those that a decode checks together
// (one, and drafted ones: 8 at most) by its own.
struct AttentionShape {
  std::int64_t batch = 0;
  bool prompt = false;
  std::int64_t query_length = 1;  // new tokens a sequence
  std::int64_t kv_length = 0;     // keys a sequence, the new ones included
  std::int64_t heads = 0, kv_heads = 0, head_dim = 128;
  std::int64_t window = 0;  // sliding window; 0: full
  Precision precision = Precision::BF16;
  Precision kv_precision = Precision::BF16;

  auto operator<=>(const AttentionShape&) const = default;
};

// Multi-head latent attention (DeepSeek-V2): 576/512 absorbed in decode, 192/128 in prefill.
struct MlaShape {
  std::int64_t batch = 0;
  bool prompt = false;
  std::int64_t query_length = 1;
  std::int64_t kv_length = 0;
  std::int64_t heads = 0;
  std::int64_t kv_lora_rank = 512, rope_dim = 64, nope_dim = 128, value_dim = 128;
  Precision precision = Precision::BF16;
  Precision kv_precision = Precision::BF16;

  auto operator<=>(const MlaShape&) const = default;
};

// The choice of `top_k` of `experts` for each token, from scores in fp32.
struct RouterShape {
  std::int64_t tokens = 0, experts = 0, top_k = 1;
};

// Rows of tokens, each copied as often as it is wanted, or such rows back and added up by weights.
struct RowsShape {
  std::int64_t tokens = 0, rows = 0;
  double row_bytes = 0;
  bool back = false;
};

// Norms, activations, residuals, copies: bytes read and written in a number of launches.
struct ElementwiseShape {
  sim::Bytes bytes;
  std::int64_t launches = 1;
};

}  // namespace moesim::hardware
