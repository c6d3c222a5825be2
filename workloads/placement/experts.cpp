#include "workloads/placement/experts.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::workloads {

LayerPlacement::LayerPlacement(std::vector<ExpertId> slot_expert, std::uint32_t experts,
                               std::uint32_t ranks)
    : experts_(experts),
      ranks_(ranks),
      slot_expert_(std::move(slot_expert)),
      replica_begin_(std::size_t{experts} + 1) {
  if (ranks == 0 || slot_expert_.empty() || slot_expert_.size() % ranks != 0) {
    throw sim::ConfigError(
        fmt::format("{} expert slots do not divide over {} ranks", slot_expert_.size(), ranks));
  }
  for (const ExpertId expert : slot_expert_) {
    if (expert >= experts) {
      throw sim::ConfigError(
          fmt::format("a slot holds expert {}, but the experts are 0 … {}", expert, experts - 1));
    }
    ++replica_begin_[expert + 1u];
  }
  for (std::uint32_t e = 0; e < experts; ++e) {
    if (replica_begin_[e + 1u] == 0) {
      throw sim::ConfigError(fmt::format("expert {} has no slot", e));
    }
    replica_begin_[e + 1u] += replica_begin_[e];
  }
  replica_slots_.resize(slot_expert_.size());
  std::vector<std::uint32_t> next(replica_begin_.begin(), replica_begin_.end() - 1);
  for (std::uint32_t s = 0; s < slots(); ++s) replica_slots_[next[slot_expert_[s]]++] = s;
}

void check(const SlotPlan& plan) {
  if (plan.experts == 0 || plan.experts > kMostExperts) {
    throw sim::ConfigError(
        fmt::format("expected 1 to {} experts, not {}", kMostExperts, plan.experts));
  }
  if (plan.ranks == 0 || plan.slots() % plan.ranks != 0) {
    const std::uint32_t missing =
        plan.ranks == 0 ? 0 : (plan.ranks - plan.experts % plan.ranks) % plan.ranks;
    throw sim::ConfigError(fmt::format(
        "{} experts and {} redundant ones do not divide over {} ranks; {} redundant ones would",
        plan.experts, plan.redundant, plan.ranks, missing));
  }
}

ExpertPlacement linear_placement(const SlotPlan& plan) {
  check(plan);
  std::vector<ExpertId> slots;
  for (std::uint32_t s = 0; s < plan.slots(); ++s) {
    slots.push_back(static_cast<ExpertId>(s % plan.experts));
  }
  return {"linear", {LayerPlacement(std::move(slots), plan.experts, plan.ranks)}};
}

ExpertPlacement round_robin_placement(const SlotPlan& plan) {
  check(plan);
  const std::uint32_t per_rank = plan.slots() / plan.ranks;
  std::vector<ExpertId> slots;
  for (std::uint32_t s = 0; s < plan.slots(); ++s) {
    const std::uint32_t rank = s / per_rank, place = s % per_rank;
    slots.push_back(static_cast<ExpertId>((place * plan.ranks + rank) % plan.experts));
  }
  return {"round_robin", {LayerPlacement(std::move(slots), plan.experts, plan.ranks)}};
}

ExpertPlacement static_placement(const std::string& name, const SlotPlan& plan) {
  if (name == "linear") return linear_placement(plan);
  if (name == "round_robin") return round_robin_placement(plan);
  throw sim::ConfigError(fmt::format(
      "expected a placement that needs no loads, linear or round_robin, not \"{}\"", name));
}

}  // namespace moesim::workloads
