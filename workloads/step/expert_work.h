// What the routed experts of one layer cost on each rank: exact rows for every expert.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "hardware/kernels/group_rows.h"
#include "hardware/kernels/kernels.h"
#include "workloads/model/model_spec.h"
#include "workloads/placement/dispatch.h"
#include "workloads/placement/parallelism.h"
#include "workloads/step/layer_work.h"
#include "workloads/step/token_split.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

// The rows of every expert slot, gathered from the groups that send them. The etp ranks that share
// an expert compute the same rows, each its part of the width.
class ExpertRows {
 public:
  explicit ExpertRows(const RankLayout& layout);

  // Forgets what was added.
  void clear(std::uint32_t slots_per_rank);
  void add(const ExpertGroup& group, const DispatchCounts& counts);

  // Of any rank of a stage.
  std::span<const std::int64_t> rows(Rank rank) const;
  // That reach it, once each; of a replicated group all of its.
  std::int64_t tokens(Rank rank) const { return tokens_[cell(rank)]; }
  std::size_t cells() const { return tokens_.size(); }
  // Ranks of a cell (replicas inside a stage do not share one) compute the same.
  std::size_t cell(Rank rank) const;
  std::span<const std::int64_t> cell_rows(std::size_t cell) const;
  std::int64_t cell_tokens(std::size_t cell) const { return tokens_[cell]; }

 private:
  const RankLayout& layout_;
  std::size_t slots_ = 0;             // of a rank
  std::vector<std::int64_t> rows_;    // cell x slot
  std::vector<std::int64_t> tokens_;  // of each cell
};

// Prices rows; remembers what it has priced, since balanced ranks ask the same again and again.
class ExpertPricer {
 public:
  // `sorted`: rows arrive sorted by expert. `etp`: ranks that share an expert's width.
  ExpertPricer(const LayerPricing& pricing, bool sorted, std::int64_t etp)
      : pricing_(pricing), sorted_(sorted), etp_(etp) {}

  // Good as long as this.
  const Work& price(const MoeFfn& moe, std::span<const std::int64_t> rows, std::int64_t tokens);

 private:
  // Of a few experts a rank, which most large groups have: asked thousands of times a step, so that
  // a question is 16 bytes in a table, where its hash says or in the next free place.
  struct Few {
    std::uint64_t rows = 0;
    std::uint32_t tokens = 0;
    std::uint32_t work = 0;  // place in works_, from 1; 0: free
  };
  // Of more, what a price depends on.
  struct Many {
    hardware::GroupRows rows;
    std::int64_t tokens = 0;
    bool operator==(const Many&) const = default;
  };
  struct HashOfMany {
    std::size_t operator()(const Many& many) const;
  };
  // Experts of one kind, so many slots of them a rank.
  struct Kind {
    const MoeFfn* moe;
    std::size_t slots;
    hardware::MoeCosts costs;
    std::vector<Few> few = {};  // a power of two, at most half of it taken
    std::size_t taken = 0;
    std::unordered_map<Many, Work, HashOfMany> many = {};
  };

  Kind& kind_of(const MoeFfn& moe, std::size_t slots);
  static std::optional<std::uint64_t> packed(std::span<const std::int64_t> rows);
  static Few& place_of(std::uint64_t rows, std::uint32_t tokens, std::vector<Few>& table);
  static void make_room(Kind& kind);
  static Work work_of(const Kind& kind, const hardware::GroupRows& rows, std::int64_t tokens);

  const LayerPricing& pricing_;
  bool sorted_;
  std::int64_t etp_;
  std::deque<Kind> kinds_;  // a model has one, or a few
  std::deque<Work> works_;
};

}  // namespace moesim::workloads
