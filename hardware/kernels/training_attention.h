// Attention cores of training: causal, scores kept in no memory (FlashAttention-3, cuDNN), forward
// and backward.
//
//   pairs    = sequences x queries x (keys + 1) / 2      with a window less: what lies in it;
//              an encoder's queries, and those that read its result, see all keys
//   forward  = launch + start + max(2 (pairs + edge) x heads x (qk + v) / (peak x rate),
//              bytes / bandwidth)       edge: sequences x queries x edge / 2
//   backward = the same with 2.5 times the arithmetic (scores again; dV, dP, dQ, dK), a rate and an
//              edge of its own, and three times the bytes; FlashAttention-3's rate also falls at
//              short sequences: x keys / (keys + ramp)
//
// `edge`: keys of the diagonal's tiles that are computed and masked, and what else each query's
// tile costs. Rates and edges are of heads up to 64, up to 128 and wider (latent: 192 and 128).
//
// flash_attention_3: Hopper by FlashAttention-3's own figures (arXiv 2407.08608 fig. 6 and the
// repository's assets) and one latent core of DeepSeek's profile (profile-data@4496024), Ampere and
// Blackwell by the operator tables of SimuMax@4dcaae5; by hand. In those points they are within 15
// % from 32 heads up; few heads at short sequences are up to 30 % low. cudnn: cuDNN 9.19 as PyTorch
// calls it, measured on an H100 (validation/measured), 1,024 to 16,384 keys; the host's 90 and 130
// us before a forward and a backward core, which those timings hold, are not of the core. Wide and
// narrow heads within 3 %, others within 7.
//
// Other generations have Hopper's constants and say so. Sequences are of equal length; no mask but
// the causal one and a window is known. Constants are those of causal cores.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

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

enum class TrainingCore { FlashAttention3, CuDnn };
inline constexpr std::array<std::string_view, 2> kTrainingCoreNames{"flash_attention_3", "cudnn"};
inline std::string_view name_of(TrainingCore core) {
  return kTrainingCoreNames[static_cast<std::size_t>(core)];
}
// None of that name: nothing.
std::optional<TrainingCore> core_named(std::string_view name);
// Whose cores Transformer Engine takes where nothing else is asked for: cuDNN's on Hopper. On
// Blackwell they are cuDNN's as well, but constants are known of SimuMax's tables alone, which go
// by the name of flash_attention_3; Ampere takes FlashAttention.
TrainingCore usual_core(const Device& device);

class TrainingAttention {
 public:
  // The device outlives this, and prices point to it (Trust::use).
  explicit TrainingAttention(const Device& device,
                             TrainingCore core = TrainingCore::FlashAttention3);

  KernelCost forward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;
  KernelCost backward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;

  struct Curve {
    double rate = 0;  // of the peak
    double edge = 0;  // keys
  };
  struct Constants {
    Curve narrow, plain, wide;                 // forward
    Curve back_narrow, back_plain, back_wide;  // backward
    double ramp = 0;                           // keys, backward
    double start_us = 0;
  };

 private:
  KernelCost cost(const TrainingAttentionShape& shape, DeviceShare share, bool backward) const;

  const Device& device_;
  Constants constants_;
  ModelUse use_;
};

}  // namespace moesim::hardware
