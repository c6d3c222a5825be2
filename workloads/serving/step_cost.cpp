#include "workloads/serving/step_cost.h"

#include <algorithm>
#include <cmath>

namespace moesim::workloads::serving {
namespace {

constexpr std::size_t kMostLines = std::size_t{1} << 18;

// The contexts at which decodes are priced: 1, 2, ... 64, then 32 an octave.
struct GridCell {
  std::int64_t from = 1, to = 2;
};
GridCell cell_of(std::int64_t context) {
  std::int64_t step = 1;
  while ((context >> 6) >= step) step *= 2;
  const std::int64_t from = std::max<std::int64_t>(1, context / step * step);
  return {from, context / step * step + step};
}

std::int64_t mean_context(const BatchPlan& plan) {
  return (plan.keys + plan.decodes / 2) / plan.decodes;
}

// Rows that fill a graph up to its size are decodes of one key in the same kernels as the others:
// each has attention at the mean of all.
BatchShape padded(const BatchPlan& plan, std::int64_t context, std::int64_t idle) {
  const std::int64_t sequences = plan.decodes + idle;
  return decoding(sequences, (context * plan.decodes + idle + sequences / 2) / sequences);
}

RankBatch rank_batch(const BatchPlan& plan, std::int64_t draft, std::int64_t context) {
  RankBatch rank;
  // Rows that are computed for nothing; and a rank that runs along has one.
  std::int64_t idle = draft == 0 ? plan.padding + (plan.dummy ? 1 : 0) : 0;
  if (plan.decodes > 0 && plan.queries == 1) {
    rank.push_back(padded(plan, context, idle));
    idle = 0;
  } else if (plan.decodes > 0) {
    BatchShape shape = decoding(plan.decodes, context);
    shape.query_length = plan.queries;
    rank.push_back(shape);
  }
  for (const BatchPlan::Chunk& chunk : plan.chunks) {
    const BatchShape shape = prompts(1, chunk.tokens, chunk.before);
    const auto same = std::find_if(rank.begin(), rank.end(), [&](const BatchShape& other) {
      return other.phase == shape.phase && other.query_length == shape.query_length &&
             other.kv_length == shape.kv_length;
    });
    if (same == rank.end()) {
      rank.push_back(shape);
    } else {
      ++same->sequences;
    }
  }
  if (idle > 0) rank.push_back(decoding(idle, 1));
  return rank;
}

// Passes as they run on the GPU alone, where launching them is reckoned apart.
const Deployment& with_graphs(Deployment& deployment, const IterationRules& rules) {
  if (rules.cost == CostKind::Lattice) deployment.host.graphs = Graphs::All;
  return deployment;
}

}  // namespace

Batch batch_of(std::span<const BatchPlan> ranks, std::int64_t draft) {
  Batch batch{.ranks = {}};
  bool decodes = false;
  for (const BatchPlan& plan : ranks) {
    batch.ranks.push_back(rank_batch(plan, draft, plan.decodes > 0 ? mean_context(plan) : 1));
    decodes = decodes || plan.decodes > 0;
  }
  if (decodes) batch.drafted = draft;
  return batch;
}

sim::Duration launching(const Deployment& deployment) {
  if (deployment.host.graphs == Graphs::All) return {};
  const Batch token = on_every_rank({prompts(1, 1)});
  return StepPlayer(deployment, {.fullest = token, .routing_steps = 1}).outcome(token, 0).time;
}

std::int64_t fullest_of(const Pool& pool) {
  const SchedulerRules& s = pool.scheduler;
  const std::int64_t decodes = std::min(s.sequences, std::int64_t{1} << 14) * (1 + s.draft);
  const std::int64_t prompts = s.prompt_budget();
  std::int64_t most = std::max({prompts, decodes, pool.graphs.largest()});
  if (s.kind != SchedulerKind::Vllm) most = std::max(most, prompts + (s.mixed ? decodes : 0));
  return most;
}

StepCost::StepCost(const Deployment& deployment, const Pool& pool, const IterationRules& rules)
    : deployment_(deployment),
      draft_(pool.scheduler.draft),
      rules_(rules),
      graphs_(pool.graphs),
      launching_(rules.cost == CostKind::Lattice ? launching(deployment) : sim::Duration{}),
      priced_(deployment),
      // In a pipeline each micro-batch may be as full as one alone.
      player_(
          with_graphs(priced_, rules),
          {.fullest = on_every_rank({workloads::prompts(deployment.layout.pp, fullest_of(pool))}),
           .routing_steps = rules.draws}),
      prices_(player_, {.tolerance = rules.error}),
      sample_(deployment.seed, "serving/checks") {
  sim::Random random(deployment.seed, "serving/draws");
  start_ = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(rules.draws)));
}

bool StepCost::is_launched(std::span<const BatchPlan> ranks) const {
  if (deployment_.host.graphs == Graphs::None) return true;
  const std::int64_t largest = graphs_.largest();
  return std::any_of(ranks.begin(), ranks.end(), [&](const BatchPlan& plan) {
    const bool captured = plan.chunks.empty() || graphs_.mixed;
    return !captured || (largest > 0 && plan.tokens() > largest);
  });
}

std::int64_t StepCost::routing_of(std::int64_t iteration) const {
  return (start_ + iteration) % rules_.draws;
}

void StepCost::set_mode(const Mode& mode) {
  mode_ = mode;
  parts_ = {};
  checked_.clear();
  seen_ = 0;
  next_sample_ = 0;
  weight_ = 1;
  sample_ = sim::Random(deployment_.seed, "serving/checks");
}

// Algorithm L (Li 1994): a reservoir that skips.
void StepCost::maybe_remember(std::span<const BatchPlan> ranks, std::int64_t routing) {
  const std::int64_t at = seen_++;
  const auto room = static_cast<std::size_t>(rules_.checks);
  if (checked_.size() >= room && static_cast<double>(at) < next_sample_) return;
  Checked one{.batch = batch_of(ranks, draft_), .routing = routing};
  if (checked_.size() < room) {
    checked_.push_back(std::move(one));
    if (checked_.size() < room) return;
  } else {
    checked_[sample_.below(room)] = std::move(one);
  }
  weight_ *= std::exp(std::log(1 - sample_.uniform()) / static_cast<double>(room));
  next_sample_ = static_cast<double>(at) + 1 +
                 std::floor(std::log(1 - sample_.uniform()) / std::log(1 - weight_));
}

std::size_t StepCost::Hash::operator()(const Key& key) const {
  std::size_t hash = 0;
  for (const std::int64_t n : key.numbers) {
    hash ^= static_cast<std::size_t>(n) + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
  }
  return hash;
}

StepPrice StepCost::price(std::span<const BatchPlan> ranks, std::int64_t routing) {
  const Batch batch = batch_of(ranks, draft_);
  if (rules_.cost == CostKind::Exact) return prices_.exact(batch, routing);
  return mode_.mean ? prices_.of(batch) : prices_.of(batch, routing);
}

// All ranks between neighbouring contexts of the grid: as far between as their sums of keys are.
StepPrice StepCost::on_line(std::span<const BatchPlan> ranks, std::int64_t routing) {
  std::vector<std::int64_t>& numbers = key_.numbers;
  numbers.assign({mode_.mean ? -1 : routing});
  std::int64_t keys = 0, from = 0, to = 0;
  for (const BatchPlan& plan : ranks) {
    const GridCell cell = plan.decodes > 0 ? cell_of(mean_context(plan)) : GridCell{0, 0};
    numbers.insert(numbers.end(),
                   {plan.decodes, plan.padding, plan.dummy ? 1 : 0, plan.queries, cell.from});
    keys += plan.keys;
    from += cell.from * plan.decodes;
    to += cell.to * plan.decodes;
  }
  auto found = lines_.find(key_);
  if (found == lines_.end()) {
    if (lines_.size() >= kMostLines) lines_.clear();
    std::vector<BatchPlan> ends(ranks.begin(), ranks.end());
    const auto price_at = [&](auto context) {
      for (BatchPlan& plan : ends) {
        if (plan.decodes > 0) plan.keys = context(cell_of(mean_context(plan))) * plan.decodes;
      }
      return price(ends, routing);
    };
    Line line{.from = price_at([](GridCell c) { return c.from; })};
    ends.assign(ranks.begin(), ranks.end());
    line.to = price_at([](GridCell c) { return c.to; });
    found = lines_.emplace(key_, line).first;
  }
  const auto& [a, b] = found->second;
  if (from == to) return a;
  const double part = static_cast<double>(keys - from) / static_cast<double>(to - from);
  const auto between = [&](sim::Duration x, sim::Duration y) {
    return x + sim::Duration(std::llround(static_cast<double>((y - x).count()) * part));
  };
  StepPrice price{.time = between(a.time, b.time)};
  for (std::size_t f = 0; f < kFactors; ++f) price.parts[f] = between(a.parts[f], b.parts[f]);
  return price;
}

sim::Duration StepCost::of(std::span<const BatchPlan> ranks, std::int64_t iteration) {
  const std::int64_t routing = routing_of(iteration);
  maybe_remember(ranks, routing);
  const bool decodes = std::all_of(ranks.begin(), ranks.end(),
                                   [](const BatchPlan& plan) { return plan.decode_only(); });
  StepPrice price = decodes && rules_.cost == CostKind::Lattice ? on_line(ranks, routing)
                                                                : this->price(ranks, routing);
  if (launching_ > price.time && is_launched(ranks)) {
    workloads::of(price.parts, Factor::Host) += launching_ - price.time;
    price.time = launching_;
  }
  for (std::size_t f = 0; f < kFactors; ++f) parts_[f] += price.parts[f];
  const double factor = decodes ? mode_.decode_factor : mode_.prompt_factor;
  if (factor == 1) return price.time;
  return sim::Duration(std::llround(static_cast<double>(price.time.count()) * factor));
}

std::vector<StepCost::Checked> StepCost::check() {
  for (Checked& one : checked_) {
    // As the run has it: on the line between two contexts where nothing but decodes is in it.
    one.result = prices_.check(one.batch, one.routing);
  }
  return checked_;
}

}  // namespace moesim::workloads::serving
