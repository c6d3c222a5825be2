// What an engine carries, estimated from a handful of steps: which of a thousand are worth a
// service of their own. Steps are played (played_steps.h), with one draw of the routing.
//
// A service in its steady state: b sequences of a dp rank decode, half-way through their output,
// and the prompts of those that follow are read beside them, or between (SGLang): a token takes
//
//   t(b) = the mean step, of which some have prompts beside       beside
//   t(b) = step(b sequences) + what is read before the next       between (SGLang)
//
// where b dp / output / t(b) prompts come a second (PromptPasses, steady_state.h).
//
// Where ranks compute as many tokens as the fullest, all steps have b input / output prompt tokens,
// its prompts are what a pass has (fullest_of); of less than one the others are without.
//
// and the engine carries b dp accepted / output / t(b) requests a second at the largest b that
// memory, the scheduler and the target of a token's time allow; where it is room that ends it and
// whole outputs have theirs kept free, at what leaves some (used_of). Other queues, and what
// differs from one iteration to the next, are left out: they are what the measured service is for.
#pragma once

#include <cstdint>

#include "hardware/power.h"
#include "tools/study/plan/plan_spec.h"
#include "tools/study/plan/played_steps.h"
#include "workloads/deployment/deployment.h"
#include "workloads/serving/cache_plan.h"
#include "workloads/serving/question.h"

namespace moesim::tools {

struct Estimate {
  double capacity = 0;          // requests (of steps: tokens) a second of one engine
  double batch = 0;             // sequences of a dp rank
  double token_s = 0;           // a token's time there (prefill: a pass's)
  double first_s = 0;           // the least time to a first token
  double least_token_s = 0;     // where no batch meets the target: a token's time of one sequence
  hardware::PowerUse use = {};  // of its cards there, while it works
};

// Sequences of a dp rank that its cache and its scheduler have room for.
double most_sequences(const workloads::serving::Pool& pool,
                      const workloads::serving::CachePlan& cache, double context);

// Of an engine of `question.pool`, within the question's targets. All throw as StepPlayer does.
Estimate estimate_service(const workloads::Deployment& deployment,
                          const workloads::serving::ServingQuestion& question,
                          const workloads::serving::CachePlan& cache, Layers layers = Layers::All);

// Of one that reads prompts and decodes nothing, within the time to a first token.
Estimate estimate_reader(const workloads::Deployment& deployment,
                         const workloads::serving::ServingQuestion& question,
                         const workloads::serving::CachePlan& cache);

// Of one that decodes what others have read, in `first_s` at least.
Estimate estimate_generator(const workloads::Deployment& deployment,
                            const workloads::serving::ServingQuestion& question,
                            const workloads::serving::CachePlan& cache, double first_s);

// Of steps: what fits (`most`, sequences or prompts of a dp rank), within the target.
Estimate estimate_steps(const workloads::Deployment& deployment, const StepLoad& load, double most,
                        double target_s, Layers layers = Layers::All);

}  // namespace moesim::tools
