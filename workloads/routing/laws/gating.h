// What a router would have chosen by other rules, from the scores that it gave.
//
// Scores are those before any bias; a choice is by score + bias, best first, ties to the lower
// expert. Sources: top-k and capacity (GShard, arXiv:2006.16668; Switch, 2101.03961), expert choice
// (2202.09368), groups and the bias (DeepSeek-V3, 2412.19437, sections 2.1.2 and 2.1.4).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

// Scores of some tokens in one layer, [tokens x experts], and the bias of the experts (may be
// empty).
struct GateScores {
  std::uint32_t tokens = 0, experts = 0;
  std::span<const float> scores, bias;
};

// The top_k best experts of each token.
LayerRouting choose_top_k(const GateScores& gates, std::uint32_t top_k);

// Of `groups` equal groups only the `groups_per_token` with the highest sum of their two best are
// allowed. REQUIRES: the experts divide, the allowed ones are at least top_k
LayerRouting choose_in_groups(const GateScores& gates, std::uint32_t top_k, std::uint32_t groups,
                              std::uint32_t groups_per_token);

// Each expert takes its tokens x top_k / experts (rounded up) best tokens; of those that took a
// token it keeps the `most` with the highest score. What is left over is missing.
LayerRouting choose_by_experts(const GateScores& gates, std::uint32_t top_k, std::uint32_t most);

// Drops what is over capacity = ceil(factor x tokens x top_k / experts) a expert: first choices
// come before second ones, then earlier tokens before later ones. Returns how many were dropped.
std::uint64_t drop_over_capacity(LayerRouting& routing, double factor);

// One step of DeepSeek-V3's controller: an expert with less than the mean load gains `rate`, one
// with more loses it.
void step_bias(std::span<float> bias, std::span<const std::uint32_t> loads, float rate);

}  // namespace moesim::workloads
