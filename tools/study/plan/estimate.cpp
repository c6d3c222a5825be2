#include "tools/study/plan/estimate.h"

#include <algorithm>
#include <cmath>

#include "validation/confidence.h"
#include "workloads/serving/schedule/graphs.h"
#include "workloads/serving/step_cost.h"

namespace moesim::tools {
namespace {

using workloads::Batch;
using workloads::Deployment;
using workloads::serving::BatchPlan;

constexpr int kMostSteps = 8;
constexpr double kNear = 0.97;  // of the target
constexpr double kNearlyAll = 0.9999;
// Beyond, whole numbers round up by a half, and the chance of none underflows later.
constexpr double kManyPrompts = 100;

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

}  // namespace

LargestBatch largest_batch(double most, double target, const std::function<double(double)>& time) {
  double high = std::floor(most), high_time = high >= 1 ? time(high) : 0;
  if (high < 1) return {};
  if (high_time <= target) return {.batch = high, .time = high_time};
  double low = 0, low_time = 0;
  const auto open = [&] {
    return low == 0 || (high > 1.5 * low && low_time < kNear * target && high > low + 1);
  };
  for (int i = 0; i < kMostSteps && high > low + 1 && open(); ++i) {
    // By the line, and where that is slow because time is none, in the middle of their logarithms.
    const double guess = low == 0 ? 0.9 * high * target / high_time
                         : i % 2 == 1
                             ? low + (target - low_time) / (high_time - low_time) * (high - low)
                             : std::sqrt(low * high);
    const double batch = std::clamp(std::floor(guess), low + 1, high - 1);
    const double found = time(batch);
    (found <= target ? low : high) = batch;
    (found <= target ? low_time : high_time) = found;
  }
  if (low == 0) {
    const double one = high > 1 ? time(1) : high_time;
    if (one > target) return {.least_time = one};
    low = 1, low_time = one;
  }
  const double part = high_time > low_time ? (target - low_time) / (high_time - low_time) : 0;
  return {.batch = low + part * (high - low), .time = target};
}

PromptPasses::Reading PromptPasses::after(double step_s, double rate) const {
  constexpr double kRare = 1e-6;
  constexpr int kMostPasses = 10'000;
  Reading reading;
  double waiting = rate * step_s, left = 0, chance = 1;
  for (int i = 0; i < kMostPasses; ++i) {
    const double some = -std::expm1(-waiting - left);
    if (some <= 0) return reading;
    const double prompts = (waiting + left) / some, read = std::clamp(prompts, 1.0, most);
    const double pass = most > 1 ? one_s + (read - 1) / (most - 1) * (all_s - one_s) : one_s;
    chance *= some;
    reading.time_s += chance * passes * pass;
    reading.passes += chance * passes;
    if (chance * passes * pass < kRare * reading.time_s) return reading;
    waiting = rate * passes * pass;
    left = std::max(0.0, prompts - read);
  }
  return {.time_s = kForEver, .passes = 1};
}

double PromptPasses::token_s(double step_s, double by_second, Decodes decodes) const {
  constexpr double kMostSlower = 1e4;
  constexpr int kHalvings = 40;
  // The longer a token takes the fewer prompts come: one time agrees with what it brings.
  double low = step_s, high = step_s * kMostSlower;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = std::sqrt(low * high);
    const Reading reading = after(step_s, by_second / middle);
    const double tokens = decodes == Decodes::Beside ? 1 + reading.passes : 1;
    ((step_s + reading.time_s) / tokens > middle ? low : high) = middle;
  }
  return high;
}

double used_of(double room, double part) {
  const double z = std::max(0.0, validation::normal_quantile(part));
  const double root = std::sqrt(z * z / 4 + room) - z / 2;
  return root * root / room;
}

double fullest_of(double mean, std::int64_t ranks) {
  const double all = mean * static_cast<double>(ranks);
  if (all > kManyPrompts) return mean + 0.5;
  double one = std::exp(-all), up_to = 0, sum = 0;
  for (std::int64_t n = 0;; ++n) {
    up_to += one;
    if (n % ranks == 0) {
      const double more = 1 - up_to;
      if (static_cast<double>(n) > all && more < 1e-6) return sum;
      sum += more;
    }
    one *= all / static_cast<double>(n + 1);
  }
}

double decoding_part(double ended, std::int64_t ranks) {
  constexpr int kHalvings = 50;
  double low = 0, high = 1;
  for (int i = 0; i < kHalvings; ++i) {
    const double part = (low + high) / 2, joins = -std::expm1(-ended * part);
    const double found = 1 - joins * (1 - std::pow(joins, static_cast<double>(ranks - 1)));
    (part < found ? low : high) = part;
  }
  return high;
}

double most_sequences(const workloads::serving::Pool& pool,
                      const workloads::serving::CachePlan& cache, double context) {
  const double held = static_cast<double>(cache.blocks * cache.block) / std::max(1.0, context);
  return std::max(1.0, std::min(held, static_cast<double>(pool.scheduler.sequences)));
}

Estimate estimate_service(const Deployment& d, const workloads::serving::ServingQuestion& q,
                          const workloads::serving::CachePlan& cache, EngineRole role,
                          Layers layers) {
  const auto& rules = q.pool.scheduler;
  const bool between = rules.kind == workloads::serving::SchedulerKind::Sglang;
  const double input = q.mean_input(), output = std::max(1.0, q.mean_output());
  const double budget =
      static_cast<double>(between ? std::min(rules.tokens, rules.chunk) : rules.tokens);
  const Batch fullest =
      workloads::on_every_rank({workloads::prompts(1, workloads::serving::fullest_of(q.pool))});
  PlayedSteps steps(d, {.fullest = fullest}, layers, rules.draft);
  const double accepted = q.tokens_a_step();

  const auto step = [&](const BatchPlan& plan) {
    return steps.seconds(workloads::serving::batch_of(std::span(&plan, 1), rules.draft));
  };
  const auto use = [&](const BatchPlan& plan) {
    return steps.use(workloads::serving::batch_of(std::span(&plan, 1), rules.draft));
  };
  const auto decodes = [&](double b) {
    BatchPlan plan{.decodes = whole(b), .queries = 1 + rules.draft};
    plan.keys = plan.decodes * whole(input + output / 2);
    return plan;
  };
  // With the tokens of prompts that a pass of so many sequences brings.
  const auto with_prompts = [&](double b) {
    BatchPlan plan = decodes(b);
    const double prompts = b * accepted * input / output;
    if (prompts >= 1) add_prompts(prompts, input, plan);
    return plan;
  };
  // A chunk on every rank, and on one of them.
  const double chunk = std::min(input, budget), passes = std::ceil(input / budget);
  const double together = between ? std::max(1.0, std::floor(budget / input)) : 1;  // of a rank
  BatchPlan reading;
  add_prompts(together * chunk, chunk, reading);
  BatchPlan one_chunk;
  add_prompts(chunk, chunk, one_chunk);
  std::vector<BatchPlan> on_one(static_cast<std::size_t>(d.layout.dp), BatchPlan{.dummy = true});
  on_one.front() = one_chunk;
  const bool alike = q.pool.graphs.alike && d.layout.dp > 1;
  if (alike) workloads::serving::pad_to_graphs({.alike = true}, on_one);
  const double one_s = steps.seconds(workloads::serving::batch_of(on_one, rules.draft));

  Estimate found;
  found.first_s = passes * one_s;
  using workloads::serving::tightest;
  using workloads::serving::TimeOf;
  const auto ttft = tightest(q.targets, TimeOf::Ttft), tpot = tightest(q.targets, TimeOf::Tpot),
             e2el = tightest(q.targets, TimeOf::E2el);
  if (ttft && found.first_s > sim::to_seconds(*ttft)) return found;
  if (role == EngineRole::Reads) {
    // As many prompts, or as much of one, as a pass of the budget has on every rank.
    BatchPlan pass;
    const double whole_prompts = std::max(1.0, std::floor(budget / input));
    add_prompts(whole_prompts * chunk, chunk, pass);
    found.token_s = step(pass);
    found.capacity = static_cast<double>(d.layout.dp) * whole_prompts / passes / found.token_s;
    found.use = use(pass);
    return found;
  }
  double target = std::numeric_limits<double>::infinity();
  if (tpot) target = sim::to_seconds(*tpot);
  if (e2el) {
    target = std::min(target, (sim::to_seconds(*e2el) - found.first_s) / std::max(1.0, output - 1));
  }
  // TensorRT-LLM starts none that may not end.
  const bool whole_output = rules.kind == workloads::serving::SchedulerKind::Trtllm &&
                            rules.admission == workloads::Admission::NoEvict;
  double most = most_sequences(q.pool, cache, input + (whole_output ? output : output / 2));
  if (!between && role == EngineRole::Both)
    most = std::min(most, std::max(1.0, budget / (1 + static_cast<double>(rules.draft) +
                                                  accepted * input / output)));
  // Beyond the largest graph a step takes what launching it does.
  const auto& sizes = q.pool.graphs.sizes;
  const double graphs =
      sizes.empty()
          ? most
          : std::floor(static_cast<double>(sizes.back()) / static_cast<double>(1 + rules.draft));
  double launched_s = 0;
  if (most > graphs) {
    launched_s = step({.chunks = {{.tokens = 1}}});
    if (launched_s / accepted > target) most = graphs;
  }
  const auto decode_s = [&](double b) {
    return b > graphs ? std::max(step(decodes(b)), launched_s) : step(decodes(b));
  };
  const auto token = [&](double b) {
    if (role == EngineRole::Generates) {
      // What a full pass of prompts brings is dealt out in turn: to all ranks at once where it has
      // one for each, since a chunk is divided by dp.
      const bool one_by_one = between && static_cast<double>(rules.chunk) < input;
      return decode_s(b) / accepted /
             (one_by_one ? decoding_part(b * accepted / output, d.layout.dp) : 1);
    }
    const double by_second = b * static_cast<double>(d.layout.dp) * accepted / output;
    if (between) {
      const PromptPasses reading_first{.one_s = one_s,
                                       .all_s = step(reading),
                                       .most = static_cast<double>(d.layout.dp) * together,
                                       .passes = passes};
      return reading_first.token_s(decode_s(b), by_second, PromptPasses::Decodes::Between) /
             accepted;
    }
    if (!alike) {
      const double room = std::max(1.0, budget - b * static_cast<double>(1 + rules.draft));
      const double piece = std::min(input, room),
                   whole_prompts = std::max(1.0, std::floor(room / input));
      std::vector<BatchPlan> ranks(static_cast<std::size_t>(d.layout.dp), decodes(b));
      add_prompts(piece, piece, ranks.front());
      BatchPlan fullest_pass = decodes(b);
      add_prompts(whole_prompts * piece, piece, fullest_pass);
      const PromptPasses beside{
          .one_s = steps.seconds(workloads::serving::batch_of(ranks, rules.draft)),
          .all_s = step(fullest_pass),
          .most = static_cast<double>(d.layout.dp) * whole_prompts,
          .passes = std::ceil(input / room)};
      return beside.token_s(decode_s(b), by_second, PromptPasses::Decodes::Beside) / accepted;
    }
    const double even = step(with_prompts(b)) / accepted;
    // Of the fullest rank, whose tokens all compute.
    const double prompts = std::min(fullest_of(b * accepted / output * passes, d.layout.dp),
                                    std::max(1.0, (budget - b) / chunk));
    std::vector<BatchPlan> ranks(static_cast<std::size_t>(d.layout.dp), decodes(b));
    add_prompts(std::max(1.0, prompts) * chunk, chunk, ranks.front());
    workloads::serving::pad_to_graphs({.alike = true}, ranks);
    const double padded =
        steps.seconds(workloads::serving::batch_of(ranks, rules.draft)) / accepted;
    if (prompts >= 1) return std::max(even, padded);
    return std::max(even, (1 - prompts) * decode_s(b) / accepted + prompts * padded);
  };
  const LargestBatch best = largest_batch(most, target, token);
  found.batch = best.batch;
  found.token_s = best.time;
  found.least_token_s = best.least_time;
  if (best.batch <= 0) return found;
  const double sequences = best.batch * static_cast<double>(d.layout.dp);
  found.capacity = sequences / output / best.time;
  if (whole_output && best.batch >= std::floor(most))
    found.capacity *= used_of(sequences, std::min(q.targets.attained, kNearlyAll));
  if (role == EngineRole::Generates) {
    found.use = use(decodes(best.batch));
  } else if (between) {
    const double decodes_part = std::min(1.0, decode_s(best.batch) / accepted / best.time);
    found.use = mixed(use(decodes(best.batch)), decodes_part, use(reading));
  } else {
    found.use = use(with_prompts(best.batch));
  }
  return found;
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
