// Attention cores of training: causal, scores kept in no memory (FlashAttention-3, cuDNN), forward
// and backward.
//
//   pairs    = sequences x queries x (keys + edge) / 2      with a window less: what lies in it;
//              an encoder's queries, and those that read its result, see all keys
//   forward  = launch + start + max(2 pairs x heads x (qk + v) / (peak x rate), bytes / bandwidth)
//   backward = the same with 2.5 times the arithmetic (scores again; dV, dP, dQ, dK) at
//              back x keys / (keys + ramp) of the forward's rate, and three times the bytes
//
// `edge`: keys of the diagonal's tiles that are computed and masked. Constants by generation,
// fitted by hand on public benches: Hopper on FlashAttention-3's own figures (arXiv 2407.08608 fig.
// 6 and the repository's assets) and one latent core of DeepSeek's profile (profile-data@4496024),
// Ampere and Blackwell on the operator tables of SimuMax@4dcaae5. In that table's points they are
// within 15 % from 32 heads up; few heads at short sequences are up to 30 % low. Other generations
// have Hopper's constants and say so. Sequences are of equal length; no mask but the causal one and
// a window is known. Constants are those of causal cores.
#pragma once

#include <cstdint>

#include "hardware/device.h"
#include "hardware/kernels/device_share.h"
#include "hardware/kernels/kernels.h"

namespace moesim::hardware {

struct TrainingAttentionShape {
  std::int64_t sequences = 1;
  std::int64_t queries = 0;  // of a sequence, on this GPU: fewer than keys where they are divided
  std::int64_t keys = 0;     // of a whole sequence
  std::int64_t heads = 0, kv_heads = 0;  // of this GPU
  std::int64_t qk_dim = 128, v_dim = 128;
  std::int64_t window = 0;  // keys that a query sees at most; 0: all before it
  bool causal = true;
};

// Queries and keys that meet under the mask, on average over the GPUs that share a sequence.
double visible_pairs(const TrainingAttentionShape& shape);

class TrainingAttention {
 public:
  // The device outlives this, and prices point to it (Trust::use).
  explicit TrainingAttention(const Device& device);

  KernelCost forward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;
  KernelCost backward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;

  struct Constants {
    double rate = 0, latent_rate = 0;  // of the peak; latent: query heads wider than 128
    double start_us = 0;
    double back = 0;  // of the forward's rate, at long sequences
  };

 private:
  KernelCost cost(const TrainingAttentionShape& shape, DeviceShare share, bool backward) const;

  const Device& device_;
  Constants constants_;
  ModelUse use_;
};

}  // namespace moesim::hardware
