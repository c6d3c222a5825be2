// Every kernel against its plain reference, on a machine: fresh random input, outputs poisoned
// before, and nothing written outside them. One function a kernel; a case says how large.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "validation/cuda/protocol/machine.h"
#include "validation/cuda/reference/reference.h"

namespace moesim::validation::cuda {

struct Check {
  std::string name;
  double error = 0;  // relative, or the number of values that are wrong where they must be equal
  double bound = 0;  // holds where error <= bound; NaN never passes
  std::int64_t compared = 0;
  std::string trouble;  // "3 values beyond the output were written"; empty: none
  std::string skipped;  // why this could not run here

  bool ok() const { return !skipped.empty() || (trouble.empty() && error <= bound); }
};

// bf16 has 8 bits of significand: rounding an exact result is off by up to 2^-9 of the next power
// of two, 1.7e-3 in the mean square over all mantissas. Chains of kernels round several times.
inline constexpr double kBf16Bound = 5e-3;
inline constexpr double kLayerBound = 1.5e-2;
// e4m3 has 4 bits: 2^-5 / sqrt(3) = 1.8e-2 on each operand.
inline constexpr double kFp8LayerBound = 8e-2;

struct RouterCase {
  RouterRule rule;
  int tokens = 0;
  bool bias = false;
  bool ties = false;  // logits take four values only
};
Check check_router(Machine& machine, const RouterCase& c, std::uint64_t seed);

// Of one token: how many of its experts are wrong. A near-tie may go to either, and each expert is
// to be weighted by its own score; the weights' error is added to `error`.
int compare_routing(const RouterRule& rule, const Chosen& expected, std::span<const int> ids,
                    std::span<const float> weights, bool ties, RelativeError& error);

struct SortCase {
  int tokens = 0, top_k = 0, first = 0, experts = 0, all_experts = 0;
};
Check check_sort(Machine& machine, const SortCase& c, std::uint64_t seed);

Check check_permute(Machine& machine, int tokens, int top_k, int hidden, std::uint64_t seed);
Check check_unpermute(Machine& machine, int tokens, int top_k, int hidden, std::uint64_t seed);
Check check_swiglu(Machine& machine, int rows, int inter, std::uint64_t seed);
Check check_quantise(Machine& machine, int rows, int k, std::uint64_t seed);

struct GemmCase {
  std::vector<int> loads;  // rows of each group
  int n = 0, k = 0;
  int expected_rows = 0;  // steers the choice of a tile; 0: the mean of groups that have rows
};
enum class GemmKind { Mma, Wgmma, Fp8, CublasLt, CublasGrouped };
std::string name_of(GemmKind kind);
Check check_grouped_gemm(Machine& machine, GemmKind kind, const GemmCase& c, std::uint64_t seed);

struct AttentionCase {
  int batch = 0, heads = 0, kv_heads = 0, length = 0, splits = 1;
};
Check check_attention(Machine& machine, const AttentionCase& c, std::uint64_t seed);

struct AttentionPrefillCase {
  int batch = 0, heads = 0, kv_heads = 0, queries = 0, length = 0;
};
Check check_attention_prefill(Machine& machine, const AttentionPrefillCase& c, std::uint64_t seed);

Check check_copy(Machine& machine, std::int64_t pieces, std::uint64_t seed);
Check check_fill(Machine& machine, std::int64_t count, std::uint64_t seed);

// The whole layer, from logits to output.
struct LayerCase {
  RouterRule rule;
  int tokens = 0, hidden = 0, inter = 0;
};
Check check_layer(Machine& machine, GemmKind kind, const LayerCase& c, std::uint64_t seed);

}  // namespace moesim::validation::cuda
