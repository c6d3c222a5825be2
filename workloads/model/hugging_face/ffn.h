// The feed-forward networks of a Hugging Face config: which layers are mixtures, and of what.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/model/hugging_face/config.h"
#include "workloads/model/hugging_face/families.h"
#include "workloads/model/model_spec.h"

namespace moesim::workloads {

// Spellings of how many experts there are, of how many a token uses, and of how wide one is.
inline const HfConfig::Keys kExpertCounts{
    "n_routed_experts", "num_local_experts",  "num_experts",
    "moe_num_experts",  "num_routed_experts", "moe_num_primary_experts",
    "num_moe_experts",  "n_experts",          "num_experts_per_layer"};
inline const HfConfig::Keys kExpertsPerToken{"num_experts_per_tok",
                                             "num_experts_per_token",
                                             "experts_per_token",
                                             "top_k_experts",
                                             "moe_top_k",
                                             "moe_topk",
                                             "moe_k",
                                             "num_selected_experts",
                                             "moe_num_active_primary_experts",
                                             "moe_router_topk",
                                             "num_activated_experts",
                                             "n_activated_experts",
                                             "num_active_experts"};
inline const HfConfig::Keys kExpertWidths{"moe_intermediate_size",  "expert_intermediate_size",
                                          "expert_ffn_hidden_size", "moe_ffn_hidden_size",
                                          "moe_inter_dim",          "expert_hidden_size"};

// Whether a config of a mixture's type says that it has no experts (null, false, 0, or the one that
// is as good as none), and its type knows such members.
bool is_dense_member(const HfConfig& config, const HfFamily* family);

// Mistakes are noted in the config. `model` gets notes, and has its hidden width.
class HfFfns {
 public:
  HfFfns(const HfConfig& config, const HfFamily* family, std::int64_t layers, ModelSpec& model)
      : config_(config), family_(family), layers_(layers), model_(model) {}

  MoeFfn moe();
  DenseFfn dense();
  // Which layers are mixtures.
  std::vector<bool> mixtures();

 private:
  std::string_view type() const { return family_ != nullptr ? family_->type : std::string_view(); }
  bool has_experts() const;
  void refuse_unknown_experts() const;
  std::optional<std::int64_t> of_all_layers(HfConfig::Keys keys, std::int64_t least) const;
  std::int64_t required_of_all_layers(HfConfig::Keys keys) const;
  void shared(MoeFfn& f);
  Router router(const MoeFfn& f);
  void listed(std::vector<bool>& is);
  void frequency(std::vector<bool>& is);
  void enumerated(const std::string& text, std::vector<bool>& is);

  const HfConfig& config_;
  const HfFamily* family_;
  std::int64_t layers_;
  ModelSpec& model_;
};

}  // namespace moesim::workloads
