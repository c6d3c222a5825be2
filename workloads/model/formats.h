// Number formats: of the weights of each part of a model, of what passes through it, of what it
// caches and sends. A checkpoint's own (ModelSpec::stored), or as a deployment runs it.
#pragma once

#include "hardware/precision.h"

namespace moesim::workloads {

struct Formats {
  // Weights.
  hardware::Precision other = hardware::Precision::BF16;  // embedding, head, router, norms
  hardware::Precision experts = hardware::Precision::BF16;
  hardware::Precision shared_experts = hardware::Precision::BF16;
  hardware::Precision attention = hardware::Precision::BF16;
  hardware::Precision dense_ffn = hardware::Precision::BF16;
  double int4_scale_bytes = 0;  // a number of what is in int4: its share of its group's scale
  // Where a part's matrices are not all in its format, but most: bytes of a number in the mean.
  // 0: all are.
  struct MeanBytes {
    double experts = 0, shared_experts = 0, attention = 0, dense_ffn = 0;
    friend bool operator==(const MeanBytes&, const MeanBytes&) = default;
  } mean_bytes;

  hardware::Precision activations = hardware::Precision::BF16;
  hardware::Precision kv_cache = hardware::Precision::BF16;
  hardware::Precision dispatch = hardware::Precision::BF16;  // tokens on their way to experts
  hardware::Precision combine = hardware::Precision::BF16;   // and back

  // Bytes that a number of a weight takes that is held in `p`, block scales included.
  double weight_bytes(hardware::Precision p) const {
    return hardware::bytes_per_element(p) + (p == hardware::Precision::INT4 ? int4_scale_bytes : 0);
  }
  // Of a number of a part's matrices.
  double expert_bytes() const { return mean_or(mean_bytes.experts, experts); }
  double shared_expert_bytes() const { return mean_or(mean_bytes.shared_experts, shared_experts); }
  double attention_bytes() const { return mean_or(mean_bytes.attention, attention); }
  double dense_ffn_bytes() const { return mean_or(mean_bytes.dense_ffn, dense_ffn); }

  friend bool operator==(const Formats&, const Formats&) = default;

 private:
  double mean_or(double mean, hardware::Precision p) const {
    return mean > 0 ? mean : weight_bytes(p);
  }
};

}  // namespace moesim::workloads
