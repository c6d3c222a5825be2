// A deployment that serves: its caches planned, its costs opened once, and runs of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "workloads/serving/cache_plan.h"
#include "workloads/serving/question.h"
#include "workloads/serving/serving_report.h"
#include "workloads/serving/step_cost.h"

namespace moesim::workloads::serving {

struct PlayOptions {
  bool keep_iterations = false;
  std::optional<sim::Duration> sample = {};
  // Called now and then, with how many are done.
  std::function<void(std::int64_t completed)> progress = {};
  std::function<bool()> stop = {};  // true: what is done is reported
};

struct PlayedService {
  ServingReport report;
  std::deque<RequestRecord> records = {};
  std::vector<ServiceSample> samples = {};
  std::vector<std::vector<PlayedIteration>> iterations = {};  // by replica
};

// What is known of a load without a schedule, as a simulator of single steps has it.
struct BareSteps {
  // Of so many sequences, or as many as run at once, spread over all ranks, half-way through their
  // outputs: a token of each.
  sim::Duration decode{};
  // Of one prompt of mean length, alone on its engine, in chunks as large as the engine's passes.
  sim::Duration prompt{};
};

class Service {
 public:
  // Both outlive it. Throws ConfigError, InputError for what they name, InfeasibleError where the
  // model does not fit, or the cache could not hold one of the longest requests of a law.
  Service(const Deployment& deployment, const ServingQuestion& question);
  // Another question of the same engines: prices that one of the two asked for both know.
  // REQUIRES: pools that differ in nothing but their caches' rules; one thread for both
  Service(const ServingQuestion& question, const Service& like);
  ~Service();

  // A function of the question and the mode: each run has streams of its own.
  PlayedService play(const PlayOptions& options = {}, const StepCost::Mode& mode = {});
  // With another load.
  PlayedService play(const ServingQuestion& load, const PlayOptions& options,
                     const StepCost::Mode& mode = {});

  const CachePlan& cache() const { return cache_; }
  const Deployment& deployment() const { return *own_; }  // of an engine that generates
  StepCost& cost() { return *cost_; }
  // Requests a second of the largest steady batch, and what bounds it; with so many in flight at
  // most, where that is given.
  ServingReport::Saturation capacity(std::optional<std::int64_t> in_flight = {});
  // REQUIRES: in_flight >= 1
  BareSteps bare_steps(std::int64_t in_flight);

 private:
  LoopRules loop_rules(const ServingQuestion& load) const;

  const Deployment& deployment_;
  ServingQuestion question_;
  void plan_caches();
  void see_traffic();
  std::shared_ptr<const Deployment> own_, own_prefill_;
  CachePlan cache_, prefill_cache_;
  std::shared_ptr<StepCost> cost_, prefill_cost_;
  PortTraffic reading_, generating_;  // of engines apart
};

// Self-check: errors of the sampled iterations. Above 1 % on average a run is not to be trusted.
inline constexpr double kMostMeanErrorPercent = 1;
ServingReport::IterationError error_of(const std::vector<StepCost::Checked>& checks);

}  // namespace moesim::workloads::serving
