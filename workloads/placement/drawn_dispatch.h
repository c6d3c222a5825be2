// What a law's tokens come to on a placement, drawn as counts (dispatch.h has those of given
// tokens).
//
// Tokens of a source choose each for itself, and what they come to is told by how many choose each
// set of experts: a multinomial draw. So the counts' joint law is that of tokens that are drawn one
// by one and counted, in every number that dispatch.h counts; the tokens themselves are not there.
// Sets that reach the same ranks are drawn together, and dealt to their experts once for all
// sources.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workloads/placement/dispatch.h"
#include "workloads/routing/laws/choice_sets.h"
#include "workloads/routing/laws/random_counts.h"

namespace moesim::workloads {

class DrawnDispatch {
 public:
  // `node`: of each rank, empty where all are on one. None where experts have replicas, between
  // which tokens choose in turn; or where groups share some of their ranks or nodes but not all.
  static std::optional<DrawnDispatch> of(const ChoiceSets& sets, const LayerPlacement& placement,
                                         std::span<const std::uint16_t> node,
                                         const DispatchWanted& wanted);

  // Numbers that are drawn for each source.
  std::size_t draws() const;

  // Of tokens whose first one is `first`, of the layer and step that `key` names. What is not
  // wanted is left empty. `out` keeps its storage.
  // REQUIRES: the nodes of sources are those that this was made with
  void count(std::uint64_t key, std::uint32_t first, const TokenSources& sources,
             DispatchCounts& out) const;

 private:
  DrawnDispatch() = default;

  // Lists of numbers, one after another.
  struct Lists {
    std::vector<std::uint32_t> begin{0}, values;
    void add(const auto& list) {
      values.insert(values.end(), list.begin(), list.end());
      begin.push_back(static_cast<std::uint32_t>(values.size()));
    }
    std::span<const std::uint32_t> operator[](std::size_t i) const {
      return {values.data() + begin[i], begin[i + 1] - begin[i]};
    }
  };
  // Sets of a group's experts by the ranks that they reach: what is counted of one is of all.
  struct Inside {
    std::optional<Multinomial> reached;            // [classes]
    Lists ranks;                                   // of a class: a rank for each expert
    Lists tokens, nodes;                           // each once
    std::vector<std::optional<Multinomial>> sets;  // [classes]: of its sets, where it has several
    Lists slots;                                   // of a class: set after set
    std::uint32_t each = 0;                        // of a set
  };
  Inside inside_of(const WeightedSets& sets, std::span<const std::uint32_t> slot_of) const;

  const LayerPlacement* placement_ = nullptr;
  bool selections_ = true, once_ = true;  // what is wanted
  std::vector<std::uint16_t> node_;
  std::uint32_t nodes_ = 1;
  std::optional<Multinomial> groups_;  // sets of groups
  Lists of_set_;                       // the groups of each set
  // Places that a token reaches by its groups alone, where each lies within one place; else those
  // of one group are no other's, and its experts tell.
  bool ranks_by_group_ = false, nodes_by_group_ = false;
  Lists ranks_of_set_, nodes_of_set_;
  std::vector<Inside> inside_;
};

}  // namespace moesim::workloads
