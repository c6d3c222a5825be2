// What an engine carries, estimated from a handful of steps: which of a thousand are worth a
// service of their own. Steps are played (played_steps.h), with one draw of the routing.
//
// A service in its steady state: b sequences of a dp rank decode, half-way through their output,
// and the prompts of those that follow are read beside them, or between (SGLang): a token takes
//
//   t(b) = step(b sequences and b input / output prompt tokens)          beside
//   t(b) = step(b sequences) + what is read before the next        between (PromptsFirst)
//
// where b dp / output / t(b) prompts come a second.
//
// Where ranks compute as many tokens as the fullest, its prompts are what a pass has (fullest_of);
// of less than one the others are without.
//
// and the engine carries b dp accepted / output / t(b) requests a second at the largest b that
// memory, the scheduler and the target of a token's time allow. Queues, and what differs from one
// iteration to the next, are left out: they are what the measured service is for.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "hardware/power.h"
#include "tools/study/plan/plan_spec.h"
#include "tools/study/plan/played_steps.h"
#include "workloads/deployment/deployment.h"
#include "workloads/serving/cache_plan.h"
#include "workloads/serving/question.h"

namespace moesim::tools {

// The largest b from 1 to `most` with time(b) <= target, where time grows with b: until one takes
// 97 % of the target, or two ends differ by half at most; between the ends by the line.
struct LargestBatch {
  double batch = 0, time = 0;  // 0: not even one
  double least_time = 0;       // time(1), where that was asked because none met the target
};
LargestBatch largest_batch(double most, double target, const std::function<double(double)>& time);

struct Estimate {
  double capacity = 0;          // requests (of steps: tokens) a second of one engine
  double batch = 0;             // sequences of a dp rank
  double token_s = 0;           // a token's time there (prefill: a pass's)
  double first_s = 0;           // the least time to a first token
  double least_token_s = 0;     // where no batch meets the target: a token's time of one sequence
  hardware::PowerUse use = {};  // of its cards there, while it works
};

// The mean of what the fullest of so many ranks has of prompts in a pass, where as many come at
// random (Poisson) as are `mean` to a rank, and are dealt out evenly: of N / ranks, rounded up.
double fullest_of(double mean, std::int64_t ranks);

// Sequences of a dp rank that its cache and its scheduler have room for.
double most_sequences(const workloads::serving::Pool& pool,
                      const workloads::serving::CachePlan& cache, double context);

// An engine that decodes only while no prompt waits (SGLang): prompts that came during a step are
// read together, then those that came meanwhile, and so on until a pass during which none came.
// Prompts come at random (Poisson), so that a pass is followed by another with probability
// 1 - exp(-rate x pass), of rate x pass / (1 - exp(-rate x pass)) prompts in the mean.
struct PromptsFirst {
  double one_s = 0, all_s = 0;  // what reads one prompt, and `most` of them; between, on a line
  double most = 1;

  static constexpr double kForEver = 1e4;
  // The mean of what is read after a step. kForEver where it does not end.
  double reading_s(double step_s, double rate) const;
  // A step and what is read after it, where `by_second` / that many prompts come a second.
  double token_s(double step_s, double by_second) const;
};

// What an engine does: all of a request, or with pools apart one of the two.
enum class EngineRole { Both, Reads, Generates };

// Throws as StepPlayer does.
Estimate estimate_service(const workloads::Deployment& deployment,
                          const workloads::serving::ServingQuestion& question,
                          const workloads::serving::CachePlan& cache,
                          EngineRole role = EngineRole::Both, Layers layers = Layers::All);

// Of steps: what fits (`most`, sequences or prompts of a dp rank), within the target.
Estimate estimate_steps(const workloads::Deployment& deployment, const StepLoad& load, double most,
                        double target_s, Layers layers = Layers::All);

}  // namespace moesim::tools
