#include "workloads/memory/recompute_problems.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::workloads {
namespace {

template <class Has>
bool any(const ModelSpec& model, Has has) {
  return std::ranges::any_of(model.kinds, has);
}

}  // namespace

bool has_shared_experts(const ModelSpec& model) {
  return any(model, [](const LayerKind& kind) {
    const auto* moe = std::get_if<MoeFfn>(&kind.ffn);
    return moe != nullptr && moe->shared_width() + moe->residual_inter > 0;
  });
}

std::vector<std::string> recompute_problems(const ModelSpec& model, const Recompute& r) {
  std::vector<std::string> problems;
  const auto check = [&](bool asked, const char* name, const char* what, bool there) {
    if (asked && !there)
      problems.push_back(fmt::format("{}: {} has no {}: leave it out", name, model.name, what));
  };
  check(r.moe, "moe", "experts", model.is_moe());
  check(r.moe_act, "moe_act", "experts", model.is_moe());
  check(r.mlp, "mlp", "dense feed-forward layers", any(model, [](const LayerKind& kind) {
          return std::holds_alternative<DenseFfn>(kind.ffn);
        }));
  check(r.core_attn, "core_attn", "attention", any(model, [](const LayerKind& kind) {
          return !std::holds_alternative<NoMixer>(kind.mixer);
        }));
  check(r.mla_up_proj, "mla_up_proj", "latent attention", any(model, [](const LayerKind& kind) {
          return std::holds_alternative<MlaAttention>(kind.mixer);
        }));
  check(r.shared_experts, "shared_experts", "shared experts", has_shared_experts(model));
  return problems;
}

}  // namespace moesim::workloads
