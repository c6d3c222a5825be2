#include "tools/study/plan/estimate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "tools/study/plan/steady_state.h"
#include "workloads/serving/saturation.h"
#include "workloads/serving/schedule/graphs.h"
#include "workloads/serving/step_cost.h"
#include "workloads/serving/targets.h"

namespace moesim::tools {
namespace {

using workloads::Batch;
using workloads::Deployment;
using workloads::serving::BatchPlan;
using workloads::serving::CachePlan;
using workloads::serving::SchedulerKind;
using workloads::serving::ServingQuestion;
using workloads::serving::TimeOf;

constexpr double kNearlyAll = 0.9999;
constexpr double kNoTarget = std::numeric_limits<double>::infinity();

// One use for a part of the time, the other for the rest.
hardware::PowerUse mixed(const hardware::PowerUse& a, double part, const hardware::PowerUse& b) {
  const auto of = [part](double x, double y) { return part * x + (1 - part) * y; };
  return {.busy = of(a.busy, b.busy),
          .memory = of(a.memory, b.memory),
          .compute = of(a.compute, b.compute)};
}

std::int64_t whole(double number) {
  return std::max<std::int64_t>(1, std::llround(number));
}

void add_prompts(double tokens, double each, BatchPlan& plan) {
  for (std::int64_t left = whole(tokens); left > 0;) {
    plan.chunks.push_back({.tokens = std::min(left, whole(each))});
    left -= plan.chunks.back().tokens;
  }
}

double seconds_of(const ServingQuestion& question, TimeOf of) {
  const auto target = workloads::serving::tightest(question.targets, of);
  return target ? sim::to_seconds(*target) : kNoTarget;
}

// An engine's steps, and what its scheduler makes of them.
class EngineEstimate {
 public:
  EngineEstimate(const Deployment& deployment, const ServingQuestion& question,
                 const CachePlan& cache, Layers layers)
      : d_(deployment),
        q_(question),
        cache_(cache),
        steps_(deployment,
               {.fullest = workloads::on_every_rank(
                    {workloads::prompts(1, workloads::serving::fullest_of(question.pool))})},
               layers, question.pool.scheduler.draft) {}

  Estimate of_all() {
    Estimate found{.first_s = first_s()};
    if (found.first_s > seconds_of(q_, TimeOf::Ttft)) return found;
    found = up_to(most_beside_prompts(), found, [&](double b) { return with_prompts_s(b); });
    if (found.batch > 0) found.use = use_with_prompts(found);
    return found;
  }

  Estimate of_prompts() {
    Estimate found{.first_s = first_s()};
    if (found.first_s > seconds_of(q_, TimeOf::Ttft)) return found;
    // As many prompts, or as much of one, as a pass of the budget has on every rank.
    const double prompts = std::max(1.0, std::floor(budget_ / read_));
    const BatchPlan pass = reading(prompts);
    found.token_s = seconds(pass);
    found.capacity = dp_ * prompts / passes_ / found.token_s;
    found.use = use(pass);
    return found;
  }

  Estimate of_decodes(double first_s) {
    Estimate found = up_to(room(), {.first_s = first_s}, [&](double b) { return alone_s(b); });
    if (found.batch > 0) found.use = use(decodes(found.batch));
    return found;
  }

 private:
  double seconds(const BatchPlan& plan) { return seconds(std::span(&plan, 1)); }
  double seconds(std::span<const BatchPlan> ranks) {
    return steps_.seconds(workloads::serving::batch_of(ranks, rules_.draft));
  }
  hardware::PowerUse use(const BatchPlan& plan) {
    return steps_.use(workloads::serving::batch_of(std::span(&plan, 1), rules_.draft));
  }

  // A rank's sequences, with so many tokens of prompts.
  BatchPlan decodes(double b, double tokens = 0) const {
    BatchPlan plan{.decodes = whole(b), .queries = 1 + rules_.draft};
    plan.keys = plan.decodes * whole(input_ + output_ / 2);
    if (tokens >= 1) add_prompts(tokens, read_, plan);
    return plan;
  }
  // Chunks of so many prompts.
  BatchPlan reading(double prompts) const {
    BatchPlan plan;
    add_prompts(prompts * chunk_, chunk_, plan);
    return plan;
  }
  // Sequences on all ranks, and so much of prompts on one of them.
  std::vector<BatchPlan> on_one(double b, double tokens, double each) const {
    std::vector<BatchPlan> ranks(static_cast<std::size_t>(d_.layout.dp), decodes(b));
    add_prompts(tokens, each, ranks.front());
    return ranks;
  }

  double first_s() { return passes_ * one_prompt_s(); }
  double one_prompt_s() {
    std::vector<BatchPlan> ranks(static_cast<std::size_t>(d_.layout.dp), BatchPlan{.dummy = true});
    ranks.front() = reading(1);
    if (alike_) workloads::serving::pad_to_graphs({.alike = true}, ranks);
    return seconds(ranks);
  }

  double token_target(double first_s) const {
    return std::min(seconds_of(q_, TimeOf::Tpot),
                    (seconds_of(q_, TimeOf::E2el) - first_s) / std::max(1.0, output_ - 1));
  }

  double room() const {
    const double held =
        workloads::serving::held_sequences(q_, q_.pool, cache_, whole_output_ ? 1 : 0.5);
    return std::max(1.0, std::min(held, static_cast<double>(rules_.sequences)));
  }
  // As many as leave room in a pass for the prompts that they bring.
  double most_beside_prompts() const {
    if (between_) return room();
    const double each = 1 + static_cast<double>(rules_.draft) + accepted_ * read_ / output_;
    return std::min(room(), std::max(1.0, budget_ / each));
  }

  // Of sequences alone. Beyond the largest graph a step takes what launching it does.
  double decode_s(double b) {
    return b > graphs_ ? std::max(seconds(decodes(b)), launched_s_) : seconds(decodes(b));
  }

  // What a full pass of prompts brings is dealt out in turn: to all ranks at once where it has one
  // for each, since a chunk is divided by dp.
  double alone_s(double b) {
    const bool one_by_one = between_ && static_cast<double>(rules_.chunk) < read_;
    const double part = one_by_one ? decoding_part(b * accepted_ / output_, d_.layout.dp) : 1;
    return decode_s(b) / accepted_ / part;
  }

  double with_prompts_s(double b) {
    if (between_) return between_prompts_s(b);
    return alike_ ? as_the_fullest_s(b) : beside_prompts_s(b);
  }
  double between_prompts_s(double b) {
    const double together = together_of_a_rank();
    const PromptPasses passes{.one_s = one_prompt_s(),
                              .all_s = seconds(reading(together)),
                              .most = dp_ * together,
                              .passes = passes_};
    return passes.token_s(decode_s(b), prompts_a_token(b), PromptPasses::Decodes::Between) /
           accepted_;
  }
  double beside_prompts_s(double b) {
    const double room = std::max(1.0, budget_ - b * static_cast<double>(1 + rules_.draft));
    const double piece = std::min(read_, room), prompts = std::max(1.0, std::floor(room / read_));
    BatchPlan fullest = decodes(b);
    add_prompts(prompts * piece, piece, fullest);
    const PromptPasses passes{.one_s = seconds(on_one(b, piece, piece)),
                              .all_s = seconds(fullest),
                              .most = dp_ * prompts,
                              .passes = std::ceil(read_ / room)};
    return passes.token_s(decode_s(b), prompts_a_token(b), PromptPasses::Decodes::Beside) /
           accepted_;
  }
  // All ranks compute as many tokens as the fullest.
  double as_the_fullest_s(double b) {
    const double even = seconds(decodes(b, prompt_tokens(b))) / accepted_;
    const double prompts = std::min(fullest_of(b * accepted_ / output_ * passes_, d_.layout.dp),
                                    std::max(1.0, (budget_ - b) / chunk_));
    std::vector<BatchPlan> ranks = on_one(b, std::max(1.0, prompts) * chunk_, chunk_);
    workloads::serving::pad_to_graphs({.alike = true}, ranks);
    const double padded = seconds(ranks) / accepted_;
    if (prompts >= 1) return std::max(even, padded);
    return std::max(even, (1 - prompts) * decode_s(b) / accepted_ + prompts * padded);
  }

  double prompts_a_token(double b) const { return b * dp_ * accepted_ / output_; }
  double prompt_tokens(double b) const { return b * accepted_ * read_ / output_; }
  double together_of_a_rank() const {
    return between_ ? std::max(1.0, std::floor(budget_ / read_)) : 1;
  }

  template <class TokenTime>
  Estimate up_to(double most, Estimate found, const TokenTime& token_s) {
    const double target = token_target(found.first_s);
    if (most > graphs_) {
      launched_s_ = seconds({.chunks = {{.tokens = 1}}});
      if (launched_s_ / accepted_ > target) most = graphs_;
    }
    const LargestBatch best = largest_batch(most, target, token_s);
    found.batch = best.batch;
    found.token_s = best.time;
    found.least_token_s = best.least_time;
    if (best.batch <= 0) return found;
    found.capacity = best.batch * dp_ / output_ / best.time;
    if (whole_output_ && best.batch >= std::floor(most)) {
      found.capacity *= used_of(best.batch * dp_, std::min(q_.targets.attained, kNearlyAll));
    }
    return found;
  }

  hardware::PowerUse use_with_prompts(const Estimate& found) {
    if (!between_) return use(decodes(found.batch, prompt_tokens(found.batch)));
    const double part = std::min(1.0, decode_s(found.batch) / accepted_ / found.token_s);
    return mixed(use(decodes(found.batch)), part, use(reading(together_of_a_rank())));
  }

  const Deployment& d_;
  const ServingQuestion& q_;
  const CachePlan& cache_;
  const workloads::serving::SchedulerRules& rules_ = q_.pool.scheduler;
  const bool between_ = rules_.kind == SchedulerKind::Sglang;
  // TensorRT-LLM starts none that may not end.
  const bool whole_output_ =
      rules_.kind == SchedulerKind::Trtllm && rules_.admission == workloads::Admission::NoEvict;
  const bool alike_ = q_.pool.graphs.alike && d_.layout.dp > 1;
  const double dp_ = static_cast<double>(d_.layout.dp);
  const double input_ = q_.mean_input(), output_ = std::max(1.0, q_.mean_output());
  const double read_ = workloads::serving::read_input(q_, q_.pool);  // of the input
  const double accepted_ = q_.tokens_a_step();
  // Tokens of a pass of a rank, of a prompt in it, and the passes that a prompt takes.
  const double budget_ = static_cast<double>(rules_.prompt_budget());
  const double chunk_ = std::min(read_, budget_), passes_ = std::ceil(read_ / budget_);
  // Sequences of a rank that have a graph; with none there is no end to them.
  const double graphs_ = static_cast<double>(
      q_.pool.graphs.most_sequences(rules_.draft).value_or(std::numeric_limits<int>::max()));
  PlayedSteps steps_;
  double launched_s_ = 0;
};

}  // namespace

double most_sequences(const workloads::serving::Pool& pool, const CachePlan& cache,
                      double context) {
  const double held = static_cast<double>(cache.blocks * cache.block) / std::max(1.0, context);
  return std::max(1.0, std::min(held, static_cast<double>(pool.scheduler.sequences)));
}

Estimate estimate_service(const Deployment& deployment, const ServingQuestion& question,
                          const CachePlan& cache, Layers layers) {
  return EngineEstimate(deployment, question, cache, layers).of_all();
}

Estimate estimate_reader(const Deployment& deployment, const ServingQuestion& question,
                         const CachePlan& cache) {
  return EngineEstimate(deployment, question, cache, Layers::All).of_prompts();
}

Estimate estimate_generator(const Deployment& deployment, const ServingQuestion& question,
                            const CachePlan& cache, double first_s) {
  return EngineEstimate(deployment, question, cache, Layers::All).of_decodes(first_s);
}

Estimate estimate_steps(const Deployment& d, const StepLoad& load, double most, double target_s,
                        Layers layers) {
  const auto batch_of = [&](double b) {
    return workloads::on_every_rank({load.decode ? workloads::decoding(whole(b), load.length)
                                                 : workloads::prompts(whole(b), load.length)});
  };
  Estimate found;
  if (most < 1) return found;
  PlayedSteps steps(d, {.fullest = batch_of(std::floor(most))}, layers, 0);
  const LargestBatch best =
      largest_batch(most, target_s, [&](double b) { return steps.seconds(batch_of(b)); });
  found.batch = best.batch;
  found.token_s = best.time;
  found.least_token_s = best.least_time;
  const double tokens = load.decode ? 1 : static_cast<double>(load.length);
  // A prompt is whole; a sequence is, too, but an estimate need not be.
  const double batch = load.decode ? best.batch : std::floor(best.batch);
  if (batch < 1) return found;
  found.capacity = batch * tokens * static_cast<double>(d.layout.dp) / best.time;
  found.use = steps.use(batch_of(batch));
  return found;
}

}  // namespace moesim::tools
