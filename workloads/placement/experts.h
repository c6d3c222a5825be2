// Where the experts live: in each MoE layer, which expert each slot of each rank holds.
//
// A rank here is a place in the expert-parallel group, 0 … ranks - 1. Every rank has the same
// number of slots; slot s belongs to rank s / slots_per_rank. With more slots than experts some
// experts have replicas: each holds the whole expert, and the tokens are divided between them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

// One layer, ready to look up. Immutable.
class LayerPlacement {
 public:
  // `slot_expert`: the expert of each slot, [ranks x slots_per_rank].
  // Throws ConfigError where the slots do not divide over the ranks, an id is out of range, or an
  // expert has no slot ("expert 7 has no slot").
  LayerPlacement(std::vector<ExpertId> slot_expert, std::uint32_t experts, std::uint32_t ranks);

  std::uint32_t experts() const { return experts_; }
  std::uint32_t ranks() const { return ranks_; }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(slot_expert_.size()); }
  std::uint32_t slots_per_rank() const { return slots() / ranks_; }
  std::uint32_t rank_of_slot(std::uint32_t slot) const { return slot / slots_per_rank(); }
  std::span<const ExpertId> slot_expert() const { return slot_expert_; }
  // The slots that hold an expert, ascending; at least one.
  std::span<const std::uint32_t> replicas(ExpertId expert) const {
    return {replica_slots_.data() + replica_begin_[expert],
            replica_begin_[expert + 1u] - replica_begin_[expert]};
  }
  bool has_replicas() const { return slots() > experts_; }

 private:
  std::uint32_t experts_;
  std::uint32_t ranks_;
  std::vector<ExpertId> slot_expert_;
  std::vector<std::uint32_t> replica_begin_;  // [experts + 1] into replica_slots_
  std::vector<std::uint32_t> replica_slots_;
};

struct ExpertPlacement {
  std::string name;                    // "linear", "eplb", …
  std::vector<LayerPlacement> layers;  // one a MoE layer, or a single one for all

  const LayerPlacement& layer(std::uint32_t index) const {
    return layers.size() == 1 ? layers.front() : layers[index];
  }
};

// What the slots are: `experts` + `redundant` of them over `ranks`.
struct SlotPlan {
  std::uint32_t experts = 0;
  std::uint32_t redundant = 0;
  std::uint32_t ranks = 1;

  std::uint32_t slots() const { return experts + redundant; }
};

// Throws ConfigError where the slots do not divide: "256 experts and 0 redundant ones do not divide
// over 72 ranks; 32 redundant ones would".
void check(const SlotPlan& plan);

// Slot s holds expert s mod experts, in order: rank 0 the first ones. Redundant slots repeat the
// first experts.
ExpertPlacement linear_placement(const SlotPlan& plan);

// The experts are dealt to the ranks like cards: expert e is on rank e mod ranks.
ExpertPlacement round_robin_placement(const SlotPlan& plan);

// From a YAML file: `slots: [[…], …]`, the experts of the slots in order, a list a MoE layer or one
// for all. Throws ConfigError, InputError.
ExpertPlacement placement_from_file(const std::filesystem::path& file, std::uint32_t experts,
                                    std::uint32_t ranks, std::uint32_t layers);
// The text of such a file.
std::string placement_text(const ExpertPlacement& placement);

// By name: "linear", "round_robin"; those that need loads are in balanced.h.
ExpertPlacement static_placement(const std::string& name, const SlotPlan& plan);

}  // namespace moesim::workloads
