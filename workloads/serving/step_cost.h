// The cost of an iteration: the price of its step (workloads/step/prices.h).
//
// Batches of nothing but decodes are priced at two contexts of a grid and lie on the line between
// them: a run asks for the same few prices again and again.
//
// A pass without a graph is launched kernel by kernel: it takes as long as its GPUs do, or as the
// host does to launch it (launching()), whichever is longer.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "sim/random.h"
#include "workloads/serving/loop/iteration_cost.h"
#include "workloads/serving/question.h"
#include "workloads/step/prices.h"

namespace moesim::workloads::serving {

// The step that a plan is.
Batch batch_of(std::span<const BatchPlan> ranks, std::int64_t draft);

// What the host takes to launch a pass that has no graph: the time of one token, whose kernels are
// done before the next is launched. Zero where all passes have graphs.
sim::Duration launching(const Deployment& deployment);

// Tokens of the largest batch that a pool's schedulers make.
std::int64_t fullest_of(const Pool& pool);

class StepCost final : public IterationCost {
 public:
  // Of an engine of the pool, whose deployment this is and stays. Throws as StepPlayer does.
  StepCost(const Deployment& deployment, const Pool& pool, const IterationRules& rules);

  sim::Duration of(std::span<const BatchPlan> ranks, std::int64_t iteration) override;

  // Of costs: a draw of the routing an iteration, or the mean of all; times a factor.
  struct Mode {
    bool mean = false;
    double decode_factor = 1, prompt_factor = 1;
  };
  void set_mode(const Mode& mode);

  // The parts of all that was asked for, by cost model.
  const FactorTimes& parts() const { return parts_; }

  // A seeded sample of the iterations so far, priced and played.
  struct Checked {
    Batch batch;
    std::int64_t routing = 0;
    PriceCheck result = {};
  };
  std::vector<Checked> check();
  StepPlayer& player() { return player_; }
  StepPrices& prices() { return prices_; }
  std::int64_t routing_of(std::int64_t iteration) const;

 private:
  StepPrice price(std::span<const BatchPlan> ranks, std::int64_t routing);
  StepPrice on_line(std::span<const BatchPlan> ranks, std::int64_t routing);
  bool is_launched(std::span<const BatchPlan> ranks) const;
  void maybe_remember(std::span<const BatchPlan> ranks, std::int64_t routing);

  const Deployment& deployment_;
  std::int64_t draft_;
  IterationRules rules_;
  GraphRules graphs_;
  sim::Duration launching_{};  // of a pass that is launched
  Deployment priced_;          // with graphs for all, where launching is reckoned apart
  StepPlayer player_;
  StepPrices prices_;
  std::int64_t start_ = 0;  // draw of the first iteration
  Mode mode_;
  FactorTimes parts_{};
  sim::Random sample_;
  std::int64_t seen_ = 0;
  double next_sample_ = 0;
  double weight_ = 1;
  std::vector<Checked> checked_;
  // Of lines between two contexts: by ranks' decodes, grid cell and routing.
  struct Key {
    std::vector<std::int64_t> numbers;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  struct Line {
    StepPrice from = {}, to = {};
  };
  std::unordered_map<Key, Line, Hash> lines_;
  Key key_;  // kept for its memory
};

}  // namespace moesim::workloads::serving
