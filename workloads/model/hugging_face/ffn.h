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
