// What an engine carries, estimated from a handful of steps: which of a thousand are worth a
// service of their own. Steps are played (played_steps.h), with one draw of the routing.
//
// A service in its steady state: b sequences of a dp rank decode, half-way through their output,
// and the prompts of those that follow are read beside them, or between (SGLang): a token takes
//
//   t(b) = the mean step, of which some have prompts beside       beside
//   t(b) = step(b sequences) + what is read before the next       between (SGLang)
//
// where b dp / output / t(b) prompts come a second (PromptPasses).
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

// The part of the room for so many sequences that is in use in the mean, where that many are not
// exceeded in `part` of the time: of a Poisson number of mean a, a + z sqrt(a) = room.
// REQUIRES: room > 0, 0 < part < 1
double used_of(double room, double part);

// The part of its passes in which a dp rank decodes, where it sits out each before which caches
// came from a prefill elsewhere (SGLang), but for those before which they came to all `ranks`. They
// come at random (Poisson), as many as end, `ended` in a pass in which it decodes:
// part = 1 - q (1 - q^(ranks - 1)), q = 1 - exp(-ended x part).
double decoding_part(double ended, std::int64_t ranks);

// Sequences of a dp rank that its cache and its scheduler have room for.
double most_sequences(const workloads::serving::Pool& pool,
                      const workloads::serving::CachePlan& cache, double context);

// Prompts that came during a step are read together in the next pass, then those that came
// meanwhile, and so on until a pass during which none came. They come at random (Poisson), so that
// a pass is followed by another with probability 1 - exp(-rate x pass), of
// rate x pass / (1 - exp(-rate x pass)) prompts in the mean.
struct PromptPasses {
  double one_s = 0, all_s = 0;  // a pass of one prompt, and of `most` of them; between, on a line
  double most = 1;
  double passes = 1;  // that a prompt takes

  static constexpr double kForEver = 1e4;
  // The means of what is read after a step: how long that takes, kForEver where it does not end,
  // and in how many passes.
  struct Reading {
    double time_s = 0, passes = 0;
  };
  Reading after(double step_s, double rate) const;

  // From one token to the next, where `by_second` / that many prompts come a second: passes of
  // prompts are between the steps, or sequences have a token of them, too.
  enum class Decodes { Between, Beside };
  double token_s(double step_s, double by_second, Decodes decodes) const;
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
