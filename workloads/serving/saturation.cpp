#include "workloads/serving/saturation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace moesim::workloads::serving {
namespace {

// Tokens that prompts of a group begin with, all alike, and of all groups; none where the cache
// does not keep them, or the requests are a trace's.
struct Shared {
  double each = 0, all = 0;
};
Shared shared_of(const ServingQuestion& question, const Pool& pool) {
  const auto* laws = std::get_if<RequestLaws>(&question.requests);
  if (laws == nullptr || !pool.scheduler.prefix_cache || laws->prefixes.groups == 0) return {};
  const auto each = static_cast<double>(laws->prefixes.tokens);
  return {.each = each, .all = each * static_cast<double>(laws->prefixes.groups)};
}

// Passes of one engine whose dp ranks are all as busy.
class EvenPasses {
 public:
  EvenPasses(const ServingQuestion& question, const Pool& pool, StepCost& cost)
      : pool_(pool),
        cost_(cost),
        input_(question.mean_input()),
        read_(read_input(question, pool)),
        output_(question.mean_output()) {}

  double seconds(const BatchPlan& plan) {
    const std::vector<BatchPlan> ranks(static_cast<std::size_t>(pool_.layout.dp), plan);
    return sim::to_seconds(cost_.of(ranks, 0));
  }
  BatchPlan prompts(double tokens) const {
    BatchPlan plan;
    const auto whole = std::max<std::int64_t>(1, std::llround(read_));
    for (auto left = std::max<std::int64_t>(1, std::llround(tokens)); left > 0;) {
      plan.chunks.push_back({.tokens = std::min(left, whole)});
      left -= plan.chunks.back().tokens;
    }
    return plan;
  }
  // Sequences, with so many tokens of prompts beside them.
  BatchPlan decodes(double sequences, double tokens) const {
    BatchPlan plan = tokens >= 1 ? prompts(tokens) : BatchPlan{};
    plan.decodes = static_cast<std::int64_t>(sequences);
    plan.queries = 1 + pool_.scheduler.draft;
    plan.keys = static_cast<std::int64_t>(sequences * context());
    plan.longest = static_cast<std::int64_t>(context());
    return plan;
  }
  double read() const { return read_; }
  double output() const { return std::max(1.0, output_); }
  double context() const { return input_ + output() / 2; }

 private:
  const Pool& pool_;
  StepCost& cost_;
  double input_, read_, output_;
};

double dp_ranks(const Pool& pool) {
  return static_cast<double>(pool.most_replicas()) * static_cast<double>(pool.layout.dp);
}

// Sequences of a dp rank, and what lets in no more.
struct MostAtOnce {
  double sequences = 0;
  std::string by;
  void limit(double to, std::string why) {
    if (to < sequences) *this = {to, std::move(why)};
  }
};

}  // namespace

double read_input(const ServingQuestion& question, const Pool& pool) {
  return question.mean_input() - shared_of(question, pool).each;
}

double held_sequences(const ServingQuestion& question, const Pool& pool, const CachePlan& cache,
                      double part_of_output) {
  const double tokens =
      static_cast<double>(cache.blocks * cache.block) - shared_of(question, pool).all;
  const double own =
      read_input(question, pool) + part_of_output * std::max(1.0, question.mean_output());
  return std::max(0.0, tokens) / std::max(1.0, own);
}

Saturation saturation_of(const ServingQuestion& question, const CachePlan& cache, StepCost& cost,
                         std::optional<std::int64_t> in_flight) {
  const Pool& pool = question.pool;
  const SchedulerRules& rules = pool.scheduler;
  EvenPasses passes(question, pool, cost);
  const double accepted = question.tokens_a_step(), ranks = dp_ranks(pool);
  const auto budget = static_cast<double>(rules.prompt_budget());
  const bool beside = rules.kind != SchedulerKind::Sglang;
  // Tokens of prompts that a sequence's step brings.
  const double read = question.prefill ? 0 : accepted * passes.read() / passes.output();

  MostAtOnce most{static_cast<double>(rules.sequences),
                  fmt::format("{} sequences a dp rank run at once", rules.sequences)};
  const double held = held_sequences(question, pool, cache, 0.5);
  most.limit(held, fmt::format("the cache holds {:.0f} sequences a dp rank", held));
  if (in_flight) {
    most.limit(static_cast<double>(*in_flight) / ranks,
               fmt::format("the clients send no more than {} at once", *in_flight));
  }
  most.sequences = std::max(1.0, std::floor(most.sequences));
  if (beside) {
    const double each = 1 + static_cast<double>(rules.draft) + read;
    most.limit(std::max(1.0, std::floor(budget / each)),
               fmt::format("{:.0f} tokens an iteration", budget));
  }

  const auto carried = [&](double sequences) {
    const double prompts = sequences * read;
    double time = passes.seconds(passes.decodes(sequences, beside ? prompts : 0));
    if (!beside && prompts > 0) time += prompts / budget * passes.seconds(passes.prompts(budget));
    return ranks * sequences * accepted / passes.output() / time;
  };
  Saturation found{.capacity = carried(most.sequences), .by = std::move(most.by)};
  if (const auto recorded = pool.graphs.most_sequences(rules.draft)) {
    const double fewer = std::max(1.0, static_cast<double>(*recorded));
    const double capacity = fewer < most.sequences ? carried(fewer) : 0;
    if (capacity > found.capacity) {
      found = {.capacity = capacity,
               .by = fmt::format("{:.0f} sequences a dp rank have a graph", fewer)};
    }
  }
  found.by = fmt::format("{}: {}", pool.name, found.by);
  return found;
}

Saturation saturation_of_reading(const ServingQuestion& question, StepCost& cost) {
  const Pool& pool = *question.prefill;
  EvenPasses passes(question, pool, cost);
  const auto budget = static_cast<double>(pool.scheduler.prompt_budget());
  const double pass = passes.seconds(passes.prompts(budget));
  return {.capacity = dp_ranks(pool) * budget / passes.read() / pass,
          .by = pool.name + ": reading prompts"};
}

std::optional<Saturation> saturation_of_front_ends(const ServingQuestion& question) {
  const sim::Duration each = question.client.front_end;
  if (each <= sim::Duration{}) return std::nullopt;
  const Pool& entry = question.prefill ? *question.prefill : question.pool;
  return Saturation{.capacity = static_cast<double>(entry.most_replicas()) / sim::to_seconds(each),
                    .by = fmt::format("{}: {:g} ms of a front end a request", entry.name,
                                      1e3 * sim::to_seconds(each))};
}

}  // namespace moesim::workloads::serving
