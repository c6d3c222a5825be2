// What each kernel is told: plain structs, for the host and the device. Pointers are the device's.
//
// Rows of a mixture layer are sorted by expert ("group"); how many each has is known to the device
// only (it comes from the router), so kernels take `offsets` or a `row_count` by pointer, and the
// host an upper bound.
#pragma once

#include <cstdint>

#include "validation/cuda/device/numbers.h"

namespace moesim::validation::cuda {

inline constexpr int kMaxExperts = 512;  // of a router, and groups of a grouped GEMM
inline constexpr int kMaxTopK = 32;
inline constexpr int kScaleBlock = 128;  // values of k (and rows of a weight) with one fp8 scale
inline constexpr int kSelectionsPerChunk = 1024;  // that one block of the sort takes

struct alignas(16) Vector16 {  // what one thread loads or stores at once
  std::uint32_t word[4];
};

MOESIM_ANYWHERE constexpr int ceil_div(int a, int b) {
  return (a + b - 1) / b;
}
MOESIM_ANYWHERE constexpr int round_up(int a, int b) {
  return ceil_div(a, b) * b;
}

struct RouterArgs {
  const float* logits = nullptr;  // [tokens, experts]
  const float* bias = nullptr;    // [experts], or null
  int* ids = nullptr;             // [tokens, top_k]
  float* weights = nullptr;       // [tokens, top_k]
  int tokens = 0, experts = 0, top_k = 0;
  bool sigmoid = false;
  int groups = 1, top_groups = 1;  // groups divides experts; top_k <= experts of top_groups
  bool normalise = true;
  float scale = 1;
};

struct SortArgs {
  const int* ids = nullptr;  // [tokens, top_k]
  int tokens = 0, top_k = 0;
  int first = 0, experts = 0;   // those that live here
  int* chunk_counts = nullptr;  // [chunks, experts], work space
  int* offsets = nullptr;       // [experts + 1]: rows of expert e are offsets[e] … offsets[e + 1]
  int* row_of = nullptr;        // [tokens, top_k]
  int* token_of = nullptr;      // [tokens * top_k]: of each row
};

struct PermuteArgs {
  const Bf16* tokens = nullptr;  // [tokens, hidden]
  Bf16* rows = nullptr;          // [rows, hidden]
  const int* token_of = nullptr;
  const int* row_count = nullptr;  // one number: how many rows there are (the last of the offsets)
  int hidden = 0;                  // a multiple of 8
  int most_rows = 0;               // for the size of the launch
};

struct UnpermuteArgs {
  const Bf16* rows = nullptr;      // [rows, hidden]
  const int* row_of = nullptr;     // [tokens, top_k], -1: none here
  const float* weights = nullptr;  // [tokens, top_k]
  Bf16* out = nullptr;             // [tokens, hidden]
  int tokens = 0, top_k = 0, hidden = 0;
};

struct SwigluArgs {
  const Bf16* gate_up = nullptr;   // [rows, 2 inter]
  Bf16* out = nullptr;             // [rows, inter]
  const int* row_count = nullptr;  // one number
  int inter = 0;                   // a multiple of 8
  int most_rows = 0;
};

struct QuantiseArgs {
  const Bf16* rows = nullptr;      // [rows, k]
  Fp8* out = nullptr;              // [rows, k_stride]; beyond k: zeros
  float* scales = nullptr;         // [ceil(k / 128)][scale_stride]
  const int* row_count = nullptr;  // one number
  int k = 0;                       // a multiple of 4
  int k_stride = 0;                // a multiple of 16
  int scale_stride = 0;            // a multiple of 4, at least the rows
  int most_rows = 0;
};

// out[r] = a[r] W_g^T for the rows r of each group g.
struct GroupedGemmArgs {
  const Bf16* a = nullptr;        // [rows, k]
  const Bf16* weights = nullptr;  // [groups, n, k]
  Bf16* out = nullptr;            // [rows, n]
  const int* offsets = nullptr;   // [groups + 1]: rows of group g are offsets[g] … offsets[g + 1]
  int groups = 0, n = 0, k = 0;   // groups <= 512; n and k multiples of 8
  int most_rows = 0;              // no group has more in all than this; for maps and launches
  int expected_rows = 0;          // of a group that has any: for the choice of a tile
};

// fp8: values are codes times scales; see quantise.cuh for those of `a`.
struct GroupedGemmFp8Args {
  const Fp8* a = nullptr;                // [rows, k_stride]
  const float* a_scales = nullptr;       // [ceil(k / 128)][scale_stride]
  const Fp8* weights = nullptr;          // [groups, n, k_stride]
  const float* weight_scales = nullptr;  // [groups][ceil(n / 128)][ceil(k / 128)]
  Bf16* out = nullptr;                   // [rows, n]
  const int* offsets = nullptr;
  int groups = 0, n = 0, k = 0;  // n a multiple of 8
  int k_stride = 0;              // a multiple of 16
  int scale_stride = 0;          // a multiple of 4
  int most_rows = 0, expected_rows = 0;
};

inline constexpr int kReadResultWords = 132 * 16 * 256;  // that a read may leave behind, at most

struct StreamArgs {
  const Vector16* from = nullptr;
  Vector16* to = nullptr;  // of a read: one word for each thread of the launch
  std::int64_t count = 0;  // of 16-byte pieces
};

// Element i becomes shift + scale * hash_normal(seed, i), rounded.
enum class Filling { Bf16, Float, Fp8 };

struct FillArgs {
  void* to = nullptr;
  std::int64_t count = 0;  // of elements
  Filling as = Filling::Bf16;
  std::uint64_t seed = 0;
  float scale = 1, shift = 0;
};

struct CountNanArgs {
  const Bf16* values = nullptr;
  std::int64_t count = 0;
  unsigned long long* nans = nullptr;  // added to
};

// One query of each sequence against its cache: grouped-query attention in decode.
struct AttentionArgs {
  const Bf16* query = nullptr;                         // [batch, heads, 128]
  const Bf16* keys = nullptr;                          // [batch, kv_heads, length, 128]
  const Bf16* values = nullptr;                        // likewise
  float* partial = nullptr;                            // [batch, heads, splits, 130], work space
  Bf16* out = nullptr;                                 // [batch, heads, 128]
  int batch = 0, heads = 0, kv_heads = 0, length = 0;  // heads a multiple of kv_heads
  int splits = 1;  // parts of the cache that blocks of their own take
};

// New tokens of each sequence, each against the keys up to its own, which are the last of the
// cache: grouped-query attention in prefill.
struct AttentionPrefillArgs {
  const Bf16* query = nullptr;                          // [batch, queries, heads, 128]
  const Bf16* keys = nullptr;                           // [batch, kv_heads, length, 128]
  const Bf16* values = nullptr;                         // likewise
  Bf16* out = nullptr;                                  // [batch, queries, heads, 128]
  int batch = 0, heads = 0, kv_heads = 0, queries = 0;  // heads a multiple of kv_heads
  int length = 0;                                       // at least the queries
};

}  // namespace moesim::validation::cuda
