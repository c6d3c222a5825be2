// What the stages of a plan work on: the question, what is asked of it, the engines that were
// thought of and what is known of each. A stage reads it and adds to it, in the order of plan.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/check.h"
#include "tools/study/plan/candidates.h"
#include "tools/study/plan/plan.h"
#include "tools/study/plan/training_parts.h"
#include "tools/study/plan/training_run.h"

namespace moesim::tools {

// What is known of an engine beside what the plan tells.
struct KnownEngine {
  // Apart: of a hundred thousand runs of training none has one.
  std::shared_ptr<const workloads::serving::ServingQuestion> question = {};
  std::optional<workloads::serving::CachePlan> cache = {};
  double most = 0;                           // of steps: what memory holds
  double ceiling = 0;                        // what it carries at most: proved
  std::optional<Rejection> distrusted = {};  // by its own run (self_check.h)
  // Of a run of training that does not fit: by how many bytes of a GPU, where nothing was played;
  // why, where it was.
  std::int64_t lacks = 0;
  std::optional<Rejection> lacking = {};
  double late = 0;  // the time of one token or prompt over its target, where that is proved above 1
};

// How a capacity is known.
enum class Sureness { AtMost, About };

struct PlanWork {
  PlanWork(const PlanSpec& spec, const PlanOptions& options);

  const PlanSpec& spec;
  const PlanOptions& options;
  // The questions, and the role that an answer to each has: "chosen", "fewest", "cheapest", of a
  // load "least_power", "most_throughput" (as the limits have room for) and "most_robust" (with a
  // node lost).
  std::vector<Demand> asked = {};
  std::vector<std::string> roles = {};
  std::vector<PlanSetting> settings = {};
  std::vector<std::size_t> left = {};                 // candidates that the sieves let pass
  std::vector<KnownEngine> known = {};                // of each candidate
  std::vector<std::optional<std::size_t>> best = {};  // of each question: a candidate
  Plan plan = {};
  TrainingEstimates training = {};  // of runs of training
  TrainingParts training_parts = {};

  // Of the candidate `i`.
  const PlanSetting& setting(std::size_t i) const;
  workloads::Deployment deployment(std::size_t i) const;
  // The same for as long as no other is laid out.
  const workloads::Deployment& laid_out(std::size_t i) const;
  EngineTerms terms(std::size_t i) const;
  // All are made once. REQUIRES: the sieves let it pass, as far as memory
  // On a part of the layers (of a run: a layer of each kind), unless that says nothing or all were
  // asked: then as `estimate`.
  const Estimate& estimate_a_part(std::size_t i);
  // Whether it misses a target by more than a part of the layers is off by: by half.
  bool misses_by_far(const Estimate& estimate) const;
  const Estimate& estimate(std::size_t i);
  const MeasuredEngine& measure(std::size_t i);
  // REQUIRES: it is measured
  std::optional<Offer> offer(std::size_t i, const Demand& demand) const;
  double deviation(std::size_t i) const;

  double structure() const {
    return spec.steps || spec.training ? validation::kStepStructure : validation::kServingStructure;
  }
  double target() const;  // of steps: seconds
  double tokens_of_request() const;
  // Of a run of training.
  double days(double capacity) const;
  // "an engine carries about 2.04 /s", "takes at least 41.23 days"
  std::string carries(double capacity, Sureness how) const;
  // Why an engine that carries so much is the answer to no question, because of limits; of a run of
  // training, of days.
  std::optional<Rejection> over_the_limits(std::size_t i, double capacity, double deviation,
                                           Sureness how) const;
  // In place of the stage of that name, where it was done before, at the end: what both took adds
  // up.
  void replace_stage(PlanStage stage);
  // The name of one engine of the candidate: equal engines have equal ones, wherever files lie.
  std::string engine_id(std::size_t i) const;
  // Seconds; nothing without a clock.
  std::optional<double> now() const;
  // Tells how far a stage is. Throws sim::Error (Interrupted) once that is asked for.
  void proceed(const std::string& what, std::size_t done, std::size_t all) const;

 private:
  Estimate estimate_of(std::size_t i, const workloads::Deployment& d, Layers layers) const;
};

// Adds what it lived for to `to`, where there is a clock.
class StageTime {
 public:
  StageTime(const PlanWork& work, std::optional<double>& to)
      : work_(work), to_(to), begin_(work.now()) {}
  ~StageTime() {
    if (begin_) to_ = to_.value_or(0) + (*work_.now() - *begin_);
  }
  StageTime(const StageTime&) = delete;
  StageTime& operator=(const StageTime&) = delete;

 private:
  const PlanWork& work_;
  std::optional<double>& to_;
  std::optional<double> begin_;
};

// What a stage before this one has left. REQUIRES: it has
template <class T>
const T& left_by(const std::shared_ptr<const T>& value) {
  SIM_CHECK(value != nullptr, "a stage of a plan before this one left it");
  return *value;
}
template <class T>
const T& left_by(const std::optional<T>& value) {
  SIM_CHECK(value.has_value(), "a stage of a plan before this one left it");
  return *value;
}

// "12.5 ms" of seconds, rounded up.
std::string seconds_text(double seconds);
// The tightest target of a time; nothing where there is none.
std::optional<double> target_s(const PlanSpec& spec, workloads::serving::TimeOf of);

}  // namespace moesim::tools
