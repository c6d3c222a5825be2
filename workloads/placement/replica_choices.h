// Which slot the tokens of a source go to, where experts have replicas.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "workloads/placement/dispatch.h"

namespace moesim::workloads {

// Which slot a token of a source goes to, for each expert.
class ReplicaChoices {
 public:
  ReplicaChoices(const LayerPlacement& placement, const TokenSources& sources)
      : placement_(placement), sources_(sources), choices_(placement.experts()) {
    std::size_t most = 0;
    for (std::uint32_t e = 0; e < placement.experts(); ++e) {
      most = std::max(most, placement.replicas(static_cast<ExpertId>(e)).size());
    }
    turn_.resize(most + 1);
    if (most <= kMostInTable)
      cycle_ = std::array<std::uint32_t, kMostInTable>{1, 2, 6, 12}[most - 1];
    // What is missing goes to a slot beyond all, and so does every number of a byte that is no
    // expert.
    width_ = std::max<std::size_t>(placement.experts() + std::size_t{1}, 256);
    table_.assign(cycle_ * width_, placement.slots());
    for (std::uint32_t e = 0; e < placement.experts(); ++e) {
      const auto all = placement.replicas(static_cast<ExpertId>(e));
      if (all.size() > 1) replicated_.push_back(e);
      set(e, choice_of(e, all));
    }
  }

  // The next questions are about this source, its first token.
  void of(std::uint32_t source) {
    std::fill(turn_.begin(), turn_.end(), 0);
    token_ = 0;
    if (sources_.choice == ReplicaChoice::RoundRobin) return;  // all of them, as they are
    const std::uint32_t node = sources_.node.empty() ? 0u : sources_.node[source];
    if (source == 0 || node != node_) choose_on(node);
    node_ = node;
    // What this source holds itself, it needs not send; its slots stand in a row.
    for (const auto& [expert, choice] : elsewhere_) set(expert, choice);
    elsewhere_.clear();
    const std::uint32_t each = placement_.slots_per_rank(), first = source * each;
    for (std::uint32_t slot = first; slot < first + each; ++slot) {
      const ExpertId expert = placement_.slot_expert()[slot];
      const auto all = placement_.replicas(expert);
      const auto own = std::lower_bound(all.begin(), all.end(), first);
      const auto end = std::lower_bound(own, all.end(), first + each);
      if (all.size() == 1 || *own != slot) continue;
      elsewhere_.push_back({expert, choices_[expert]});
      set(expert, choice_of(expert, {own, end}));
    }
  }

  // Replicas are taken in turn, token by token of the source: slots[(token + expert) mod count].
  std::uint32_t slot(ExpertId expert) const {
    const Choice& choice = choices_[expert];
    const std::uint32_t at = turn_[choice.count] + choice.offset;
    // Without a branch: which replica it is cannot be guessed.
    return choice.slots[at - (choice.count & -std::uint32_t{at >= choice.count})];
  }
  // The same of all experts for the token at hand, where they have few replicas; else null. What is
  // no expert, [experts] and up to 255, goes nowhere.
  const std::uint32_t* slots() const {
    return cycle_ == 0 ? nullptr : table_.data() + token_ * width_;
  }
  void next_token() {
    if (cycle_ > 0) {
      if (++token_ == cycle_) token_ = 0;
      return;
    }
    for (std::uint32_t count = 1; count < turn_.size(); ++count) {
      if (++turn_[count] == count) turn_[count] = 0;
    }
  }

 private:
  static constexpr std::size_t kMostInTable = 4;
  struct Choice {
    const std::uint32_t* slots = nullptr;
    std::uint32_t count = 0;
    std::uint32_t offset = 0;  // expert mod count
  };
  static Choice choice_of(std::uint32_t expert, std::span<const std::uint32_t> slots) {
    const auto count = static_cast<std::uint32_t>(slots.size());
    return {slots.data(), count, expert % count};
  }

  void set(std::uint32_t expert, const Choice& choice) {
    choices_[expert] = choice;
    for (std::uint32_t t = 0, at = choice.offset; t < cycle_; ++t) {
      table_[t * width_ + expert] = choice.slots[at];
      if (++at == choice.count) at = 0;
    }
  }

  // Replicas on that node; of an expert that has none there, all.
  void choose_on(std::uint32_t node) {
    on_node_.clear();
    on_node_.reserve(placement_.slots());
    for (const std::uint32_t e : replicated_) {
      const auto all = placement_.replicas(static_cast<ExpertId>(e));
      const std::size_t begin = on_node_.size();
      for (const std::uint32_t slot : all) {
        const std::uint32_t rank = placement_.rank_of_slot(slot);
        if ((sources_.node.empty() ? 0u : sources_.node[rank]) == node) on_node_.push_back(slot);
      }
      const auto near = std::span<const std::uint32_t>(on_node_).subspan(begin);
      set(e, choice_of(e, near.empty() ? all : near));
    }
    elsewhere_.clear();
  }

  const LayerPlacement& placement_;
  const TokenSources& sources_;
  std::vector<Choice> choices_;         // of each expert
  std::vector<std::uint32_t> on_node_;  // what they point to, where that is no span of replicas
  std::vector<std::pair<ExpertId, Choice>> elsewhere_;  // what sources of this node choose from
  std::uint32_t node_ = 0;
  std::vector<std::uint32_t> turn_;  // the token's number modulo each count of replicas
  // Of up to four replicas a token's choices repeat after a few tokens: [cycle x width].
  std::uint32_t cycle_ = 0;
  std::size_t width_ = 0, token_ = 0;
  std::vector<std::uint32_t> table_;
  std::vector<std::uint32_t> replicated_;  // experts that have replicas
};

}  // namespace moesim::workloads
