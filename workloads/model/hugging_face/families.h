// What a model type of Hugging Face implies beyond its config.json: facts of the published
// modelling code that no key of the file states.
#pragma once

#include <string_view>
#include <vector>

#include "workloads/model/model_spec.h"

namespace moesim::workloads {

enum class BiasRule {
  Never,      // no biases, whatever the keys say
  QkvAlways,  // q, k, v have biases (Qwen2)
  QkvByKey,   // attention_bias: on q, k, v
  AllByKey,   // attention_bias: on q, k, v and the output
};

struct HfFamily {
  std::string_view type;
  // Keys that a config of this type has; "a|b": either. A missing one is a mistake, so that a new
  // spelling is refused rather than passed over.
  std::vector<std::string_view> keys;
  BiasRule bias = BiasRule::AllByKey;
  QkNorm qk_norm = QkNorm::None;  // always; use_qk_norm may add it where None
  RouterKind router = RouterKind::SoftmaxTopK;
  bool router_bias = false;  // a bias an expert for the choice
  std::int64_t norms = 2;    // of a layer
  std::int64_t final_norms = 1;
  bool gated = true;
  // Of a mixture's type: its code builds a dense model where the config says no experts.
  bool dense_members = false;
  bool tied_by_default = false;
  Counting counting = {};
  std::string_view counting_source = {};
};

// Null where the type is not known.
const HfFamily* find_family(std::string_view type);
// All types that are known, for messages.
std::vector<std::string_view> family_types();

}  // namespace moesim::workloads
