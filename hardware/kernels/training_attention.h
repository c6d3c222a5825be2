// Attention cores of training, scores kept in no memory (FlashAttention, cuDNN), forward and
// backward: what is fitted on tables of them, kind "training_attention".
//
//   pairs  = sequences x queries x (keys + 1) / 2      with a window less: what lies in it;
//            an encoder's queries, and those that read its result, see all keys
//   us     = launches + start_us + max(FLOP / (peak x rate), bytes / bandwidth)
//   FLOP   = 2 (pairs + sequences x queries x beside) x heads x (qk + v), backward 2.5 times that
//            (scores again; dV, dP, dQ, dK), both passes 3.5 times
//   beside = tile_keys, and where it is causal diagonal_keys / 2: of each query, what its
//            tile costs beside its keys, and what of the diagonal's tiles is computed and
//            masked
//   rate   of the peak, with heads of 128; times `narrow` up to 64, `wide` beyond 128 (latent: 192
//          and 128)
//
// Of few points nothing more can be told; what a hold-out of whole lengths and head sizes misses is
// the interval. Sequences are of equal length; no mask but the causal one and a window is known.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "hardware/device.h"
#include "hardware/kernels/device_share.h"
#include "hardware/kernels/family.h"
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

enum class AttentionPass { Forward, Backward, Both };
inline constexpr std::array<std::string_view, 3> kAttentionPassNames{"forward", "backward",
                                                                     "forward+backward"};

struct TrainingAttentionInput {
  TrainingAttentionShape shape;
  AttentionPass pass = AttentionPass::Forward;
  double host_us = 0;  // of a timing that holds what the host takes before the core
};

struct TrainingAttentionParameters {
  double rate, narrow, wide, tile_keys, diagonal_keys, start_us;
};

struct TrainingAttentionModel {
  using Shape = TrainingAttentionInput;
  using Parameters = TrainingAttentionParameters;
  static std::span<const ParameterField<Parameters>> fields();
  // Whether a shape says anything of an optional parameter beside the first of a table: what
  // queries cost beside their keys shows between two lengths.
  static bool tells(std::string_view parameter, const Shape& shape, const Shape& first);
  static double us(const Shape& shape, const Rates& rates, const Parameters& p);
  static double least_us(const Shape& shape, const Rates& rates);
  static constexpr std::int64_t kLeastPoints = 6;
  static constexpr std::array<std::string_view, 2> kFeatures{"keys", "head_dim"};
  static std::array<double, 2> features(const Shape& shape);
  static std::vector<std::vector<double>> knots() { return {}; }
  static std::string_view regime(const Shape&, const Rates&) { return "all"; }
};

enum class TrainingCore { FlashAttention3, CuDnn, FlashAttention2 };
inline constexpr std::array<std::string_view, 3> kTrainingCoreNames{"flash_attention_3", "cudnn",
                                                                    "flash_attention_2"};
inline std::string_view name_of(TrainingCore core) {
  return kTrainingCoreNames[static_cast<std::size_t>(core)];
}
// None of that name: nothing.
std::optional<TrainingCore> core_named(std::string_view name);
// Whose cores Transformer Engine takes where nothing else is asked for: cuDNN's from Hopper on,
// FlashAttention-2 before it.
TrainingCore usual_core(const Device& device);

class TrainingAttention {
 public:
  // The device outlives this, and prices point to what this has (Trust::use).
  explicit TrainingAttention(const Device& device,
                             TrainingCore core = TrainingCore::FlashAttention3);

  KernelCost forward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;
  KernelCost backward(const TrainingAttentionShape& shape, DeviceShare share = {}) const;

 private:
  KernelCost cost(const TrainingAttentionInput& input, DeviceShare share) const;

  const Device& device_;
  Family<TrainingAttentionModel> models_;
};

}  // namespace moesim::hardware
