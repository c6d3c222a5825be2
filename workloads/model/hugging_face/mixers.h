// One token mixer of a Hugging Face config: which keys make it. Which layers have it is
// mixer_layers.h's.
#pragma once

#include <cstdint>
#include <string_view>

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/hugging_face/families.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Mistakes are noted in the config. `hidden`: the model's width.
class HfMixers {
 public:
  HfMixers(const HfConfig& config, const HfFamily* family, std::int64_t hidden)
      : config_(config), family_(family), hidden_(hidden) {}

  GqaAttention attention() const;
  // Gemma 4's full layers have heads of their own width.
  GqaAttention full(GqaAttention a) const;
  // Step-3's windowed layers have heads of their own number.
  void step_window(GqaAttention& a) const;
  MlaAttention mla() const;
  // That which chooses keys by `index_topk`; none where the config has no such key.
  SparseIndex index() const;
  MambaMixer mamba() const;
  LinearAttention delta_net() const;
  // LFM2's: two gates, and a convolution of the last tokens between them.
  LinearAttention short_convolution() const;

 private:
  std::string_view type() const { return family_ != nullptr ? family_->type : std::string_view(); }

  const HfConfig& config_;
  const HfFamily* family_;
  std::int64_t hidden_;
};

}  // namespace moesim::workloads
