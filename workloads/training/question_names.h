// What the keys of a question of training name.
#pragma once

#include <array>
#include <string_view>

#include "workloads/memory/training_plan.h"

namespace moesim::workloads {

inline constexpr std::array<std::string_view, 8> kRecompute{
    "full", "moe", "mlp", "core_attn", "mla_up_proj", "moe_act", "layernorm", "shared_experts"};
inline constexpr std::array<bool Recompute::*, 8> kRecomputeMembers{
    &Recompute::full,      &Recompute::moe,           &Recompute::mlp,
    &Recompute::core_attn, &Recompute::mla_up_proj,   &Recompute::moe_act,
    &Recompute::layernorm, &Recompute::shared_experts};
inline constexpr std::array<std::string_view, 3> kNumberNames{"fp32", "bf16", "fp8"};
inline constexpr std::array<double, 3> kNumberBytes{4, 2, 1};

}  // namespace moesim::workloads
