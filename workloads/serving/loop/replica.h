// One engine: its dp ranks in lock step, an iteration after another.
//
// At an instant: end() gives out what the iteration made, then requests come (submit), then
// launch() plans and begins the next one, so that who arrives at that instant is in the plan. With
// planning ahead the plan after that is made at the launch, too.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "sim/random.h"
#include "workloads/serving/loop/iteration_cost.h"
#include "workloads/serving/loop/job.h"
#include "workloads/serving/loop/run_counters.h"
#include "workloads/serving/schedule/graphs.h"
#include "workloads/serving/schedule/scheduler.h"

namespace moesim::workloads::serving {

struct ReplicaRules {
  SchedulerRules scheduler = {};
  GraphRules graphs = {};
  std::int64_t ranks = 1;               // in lock step
  std::int64_t blocks = 1, block = 16;  // of each rank
  std::int64_t agree_every = 1;         // iterations between agreements that no rank has work left
  RankChoice choice = RankChoice::RoundRobin;
  sim::Duration snapshot = std::chrono::milliseconds(100);
  std::vector<double> accepted = {};  // chance of each drafted token, given the one before
  // Prompts wait until every rank has one, up to so many iterations (TensorRT-LLM's balance of
  // attention dp); 0: they do not.
  std::int64_t balance_iterations = 0;
  bool step_by_step = false;  // iterations that repeat are taken one by one all the same: a check
};

// What an end of an iteration brings.
struct Outcome {
  std::vector<Job*> finished;  // all tokens are out
};

// An iteration, for drawings.
struct PlayedIteration {
  sim::Time begin{}, end{};
  std::int64_t prompt_tokens = 0, decodes = 0, waiting = 0;
};

// What else is on an engine's links: until then its iterations go on `times` as slowly.
struct Slowed {
  double times = 1;
  sim::Time until{};

  // An iteration that takes `alone` with nothing beside it.
  sim::Duration taken(sim::Duration alone, sim::Time begin) const;
};

class Replica {
 public:
  // What is counted outlives the replica, and so does the cost.
  Replica(const ReplicaRules& rules, IterationCost& cost, RunCounters& counters,
          std::uint64_t seed);

  // The job outlives its stay. REQUIRES: never_served() says nothing of it
  void submit(Job& job, sim::Time now);
  // A job's cache will come: gives it a rank.
  void expect(Job& job);
  // Takes blocks for it there (reserved_blocks()); false where the rank has none to spare.
  bool reserve(Job& job);
  void submit_reserved(Job& job, sim::Time now);
  // Gives back what a job that ended still holds (see `keep`).
  void release(Job& job);

  // The end of the iteration in flight, or when a snapshot is due.
  std::optional<sim::Time> next_event() const;
  // REQUIRES: now == next_event()
  Outcome end(sim::Time now);
  // Begins an iteration if none is in flight and there is work. Nothing comes from outside before
  // `horizon`: iterations that only repeat are taken at once, until just before it.
  void launch(sim::Time now, sim::Time horizon, const Slowed& slowed = {});

  bool busy() const { return flight_.has_value(); }
  std::int64_t waiting() const;
  std::int64_t running() const;
  std::int64_t requests() const { return waiting() + running(); }
  std::int64_t tokens_left() const;  // to compute, of prompts that wait or run
  std::int64_t blocks_used() const;
  const RankState& rank(std::size_t index) const { return ranks_[index]; }
  std::size_t ranks() const { return ranks_.size(); }
  const ReplicaRules& rules() const { return rules_; }

  // Jobs keep their blocks when they end, until release().
  bool keep = false;
  std::vector<PlayedIteration>* record = nullptr;  // where iterations are written down, if anywhere

 private:
  struct Flight {
    std::vector<BatchPlan> plans;
    sim::Time begin{}, end{};
  };
  std::size_t choose_rank();
  void take_snapshot();
  void receive(bool all);
  bool prompts_wait_for_ranks();
  std::vector<BatchPlan> plan_all();
  void deliver(Job& job, std::int64_t tokens, sim::Time now, Outcome& outcome);
  std::int64_t drawn_acceptance();
  // How often the plans repeat before anything changes; see launch().
  std::int64_t repeats(std::span<const BatchPlan> plans, sim::Time now) const;
  sim::Time fast_forward(std::vector<BatchPlan>& plans, sim::Time now, sim::Time horizon);
  sim::Duration cost_of(std::span<const BatchPlan> plans, sim::Time begin);
  void count(std::span<const BatchPlan> plans, sim::Duration time);
  void write_down(std::span<const BatchPlan> plans, sim::Time begin, sim::Time end);

  ReplicaRules rules_;
  IterationCost& cost_;
  RunCounters& counters_;
  sim::Random speculation_;
  std::vector<RankState> ranks_;
  std::vector<std::vector<Sequence*>> inbox_;  // of each rank: come, and not looked at yet
  std::optional<Flight> flight_;
  std::vector<BatchPlan> planned_;  // the next one, planned ahead
  std::int64_t iteration_ = 0;      // since work began
  std::int64_t all_iterations_ = 0;
  Slowed slowed_ = {};
  std::int64_t balance_waited_ = 0;
  bool held_ = false;               // prompts wait for other ranks'
  std::size_t turn_ = 0;            // of the choice of ranks
  std::vector<std::int64_t> seen_;  // the snapshot's scores, own choices added
  std::optional<sim::Time> next_snapshot_;
};

}  // namespace moesim::workloads::serving
