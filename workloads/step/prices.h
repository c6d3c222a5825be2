// What a step costs, for whoever asks a million times: serving's iterations, studies' candidates.
// The one cost of an iteration; nobody has a second one.
//
//   StepPlayer player(deployment, {.fullest = fullest, .routing_steps = 8});
//   StepPrices prices(player);
//   const StepPrice mean = prices.of(batch);        // over the eight routings, with their spread
//   const StepPrice next = prices.of(batch, 3);     // with the fourth routing alone
//
// Routings are windows of the player's routing in its order, `routing_steps` of the envelope: who
// walks through them one by one has iterations whose routing is like their predecessors', as in the
// trace. One window serves all batches.
//
// The answer is a function of the deployment, the envelope, the options and the question: it does
// not depend on what was asked before, so that several of these, one a thread, give equal bytes.
// One of them is for one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "workloads/step/factors.h"
#include "workloads/step/player.h"

namespace moesim::workloads {

struct StepPrice {
  sim::Duration time{};         // of one routing, or the mean of all, rounded to the picosecond
  sim::Duration low{}, high{};  // the shortest and the longest of the routings
  FactorTimes parts{};          // by cost model (factors.h); they sum to `time`, exactly
};

struct PriceOptions {
  // What a price may be off from the played step's time: a table is made finer where it is more.
  double tolerance = 0.005;
  // What may be remembered, about; beyond, all is forgotten, and made anew when it is asked for.
  std::size_t most_bytes = std::size_t{256} << 20;
};

// A price beside the played step: what the self-check of a run reports.
struct PriceCheck {
  sim::Duration priced{}, played{};
  double error() const;  // of the played time: |priced / played - 1|
};

class StepPrices {
 public:
  // The player outlives this, and is used by nobody else meanwhile.
  explicit StepPrices(StepPlayer& player, const PriceOptions& options = {});
  ~StepPrices();
  StepPrices(StepPrices&&) noexcept;

  // REQUIRES of all: a batch that the player's envelope has room for, in which some rank has a
  // token (ranks may have none); routing below routings()

  // The mean of all routings.
  StepPrice of(const Batch& batch);
  // With one routing: low and high are its time.
  StepPrice of(const Batch& batch, std::int64_t routing);
  // Built and played, whatever is remembered.
  StepPrice exact(const Batch& batch, std::int64_t routing);
  PriceCheck check(const Batch& batch, std::int64_t routing);

  std::int64_t routings() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace moesim::workloads
