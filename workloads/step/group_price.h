// What is priced exactly of a step: attention and the head of the dp ranks that wait for each
// other, a group of them, and how they meet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "workloads/step/factors.h"
#include "workloads/step/player.h"
#include "workloads/step/rank_price.h"
#include "workloads/step/step_table.h"

namespace moesim::workloads {

// What is priced exactly of a group of dp ranks, and how many tokens they have.
struct ExactPart {
  sim::Duration attention{}, cores{}, head{}, logits{}, host{};
  std::int64_t total = 0, fullest = 0;  // tokens
  // Where attention and the rest add up, of each rank in ps: the stretches between meetings
  // (RankPricer), [stretch][rank].
  std::vector<std::vector<double>> stretches;
  std::vector<std::int64_t> tokens;  // of each rank
  double squares = 0;                // of the tokens, their sum

  // What comes on top of the rest, the host apart.
  sim::Duration time(bool attention_adds_up) const {
    return (attention_adds_up ? attention : sim::Duration{}) + head + logits;
  }
  void add_to(FactorTimes& parts, bool attention_adds_up, std::int64_t sign) const {
    of(parts, Factor::Gemm) += sign * head;
    of(parts, Factor::Collectives) += sign * logits;
    if (!attention_adds_up) return;
    of(parts, Factor::Attention) += sign * cores;
    of(parts, Factor::Gemm) += sign * (attention - cores);
  }
};

// From the start to the end of the slowest rank, where each takes as long as it does for what is
// priced exactly.
double time_of(const MetGroup& group, const ExactPart& exact);

// The same with the `full` fullest ranks where a point of the table has its full ones (is_full).
ExactPart as_in_a_point(const ExactPart& exact, std::int64_t full);

class GroupPricer {
 public:
  // The player outlives this.
  explicit GroupPricer(const StepPlayer& player);

  // The dp ranks that wait for each other: those of an expert-parallel group.
  const std::vector<std::vector<std::size_t>>& groups() const { return groups_; }
  std::size_t dp_ranks() const { return speed_.size(); }

  // Of one of the groups; `by_rank`: its stretches, too.
  ExactPart exact_part(const Batch& batch, const std::vector<std::size_t>& group, bool by_rank);
  // Of a step that was played on that batch, by group.
  std::vector<MetGroup> meetings_of(const Meetings& step, const Batch& batch);

 private:
  const Deployment& deployment_;
  std::vector<std::vector<std::size_t>> groups_;
  std::vector<double> speed_;                // of each dp rank's slowest GPU
  std::vector<std::vector<Rank>> ranks_of_;  // of each dp rank
  RankPricer pricer_;
};

}  // namespace moesim::workloads
