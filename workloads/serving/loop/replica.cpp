#include "workloads/serving/loop/replica.h"

#include <algorithm>
#include <cmath>

#include "sim/check.h"

namespace moesim::workloads::serving {

Replica::Replica(const ReplicaRules& rules, IterationCost& cost, RunCounters& counters,
                 std::uint64_t seed)
    : rules_(rules),
      cost_(cost),
      counters_(counters),
      speculation_(seed, "serving/speculation"),
      inbox_(static_cast<std::size_t>(rules.ranks)),
      seen_(static_cast<std::size_t>(rules.ranks)) {
  for (std::int64_t i = 0; i < rules.ranks; ++i) {
    ranks_.push_back({.pool = BlockPool(rules.blocks, rules.block)});
  }
}

// --- requests come
// --------------------------------------------------------------------------------

void Replica::take_snapshot() {
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    seen_[i] = 4 * static_cast<std::int64_t>(ranks_[i].waiting.size() + inbox_[i].size()) +
               static_cast<std::int64_t>(ranks_[i].running.size());
  }
}

std::size_t Replica::choose_rank() {
  const std::size_t count = ranks_.size();
  if (count == 1) return 0;
  const std::size_t start = turn_++ % count;
  if (rules_.choice == RankChoice::RoundRobin) return start;
  const auto score = [&](std::size_t i) -> std::int64_t {
    if (rules_.choice == RankChoice::VllmScore) return seen_[i];
    const RankState& rank = ranks_[i];
    if (rules_.choice == RankChoice::LeastRequests) {
      return static_cast<std::int64_t>(rank.waiting.size() + inbox_[i].size() +
                                       rank.running.size());
    }
    std::int64_t tokens = 0;
    for (const Sequence* s : rank.waiting) tokens += s->known();
    for (const Sequence* s : inbox_[i]) tokens += s->known();
    for (const Sequence* s : rank.running) tokens += s->known();
    return tokens;
  };
  std::size_t best = start;
  std::int64_t least = score(start);
  for (std::size_t k = 1; k < count; ++k) {
    const std::size_t i = (start + k) % count;
    if (const std::int64_t value = score(i); value < least) {
      best = i;
      least = value;
    }
  }
  if (rules_.choice == RankChoice::VllmScore) seen_[best] += 4;
  return best;
}

void Replica::submit(Job& job, sim::Time now) {
  job.queued = now;
  job.names = rules_.scheduler.prefix_cache
                  ? block_names(job.request.prompt, job.input + job.limit, rules_.block)
                  : std::vector<BlockName>{};
  const std::size_t rank = choose_rank();
  job.record.rank = static_cast<std::int64_t>(rank);
  inbox_[rank].push_back(&job);
  if (rules_.choice == RankChoice::VllmScore && ranks_.size() > 1 && !next_snapshot_) {
    take_snapshot();
    next_snapshot_ = now + rules_.snapshot;
  }
}

void Replica::expect(Job& job) {
  job.record.rank = static_cast<std::int64_t>(choose_rank());
}

bool Replica::reserve(Job& job) {
  const auto rank = static_cast<std::size_t>(job.record.rank);
  BlockPool& pool = ranks_[rank].pool;
  const std::int64_t blocks = reserved_blocks(rules_.scheduler, ranks_[rank], job);
  if (pool.free() < blocks) return false;
  pool.take(job.held, blocks);
  return true;
}

void Replica::submit_reserved(Job& job, sim::Time now) {
  job.queued = now;
  inbox_[static_cast<std::size_t>(job.record.rank)].push_back(&job);
}

void Replica::release(Job& job) {
  ranks_[static_cast<std::size_t>(job.record.rank)].pool.release(job.held);
}

// Requests are looked at in every `receive_interval`-th iteration, and when there is nothing to do.
void Replica::receive(bool all) {
  if (!all && iteration_ % rules_.scheduler.receive_interval != 0) return;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    for (Sequence* s : inbox_[i]) enqueue(rules_.scheduler, ranks_[i], *s);
    inbox_[i].clear();
  }
}

// --- an iteration
// ---------------------------------------------------------------------------------

bool Replica::prompts_wait_for_ranks() {
  if (rules_.balance_iterations == 0 || ranks_.size() == 1) return false;
  std::size_t with = 0;
  for (const RankState& rank : ranks_) {
    const bool reads = std::any_of(rank.running.begin(), rank.running.end(),
                                   [](const Sequence* s) { return !s->decodes(); });
    if (reads || !rank.waiting.empty()) ++with;
  }
  if (with == 0 || with == ranks_.size() || balance_waited_ >= rules_.balance_iterations) {
    balance_waited_ = 0;
    return false;
  }
  ++balance_waited_;
  return true;
}

std::vector<BatchPlan> Replica::plan_all() {
  const bool idle = running() == 0 && std::all_of(ranks_.begin(), ranks_.end(),
                                                  [](const auto& r) { return r.waiting.empty(); });
  receive(idle);
  held_ = prompts_wait_for_ranks();
  const Moment moment{.iteration = iteration_,
                      .hold_prompts = held_,
                      .idle = requests() == 0,
                      .alone = ranks_.size() == 1};
  std::vector<BatchPlan> plans;
  plans.reserve(ranks_.size());
  for (RankState& rank : ranks_) {
    plans.push_back(plan(rules_.scheduler, rank, moment));
  }
  return plans;
}

sim::Duration Slowed::taken(sim::Duration alone, sim::Time begin) const {
  if (times == 1 || until <= begin) return alone;
  const double slow = std::min(static_cast<double>((until - begin).count()),
                               static_cast<double>(alone.count()) * times);
  return alone + sim::Duration(std::llround(slow * (1 - 1 / times)));
}

sim::Duration Replica::cost_of(std::span<const BatchPlan> plans, sim::Time begin) {
  return slowed_.taken(cost_.of(plans, all_iterations_), begin);
}

void Replica::launch(sim::Time now, sim::Time horizon, const Slowed& slowed) {
  if (flight_) return;
  slowed_ = slowed;
  const auto nothing = [](const std::vector<BatchPlan>& plans) {
    return std::all_of(plans.begin(), plans.end(), [](const BatchPlan& p) { return p.empty(); });
  };
  std::vector<BatchPlan> plans = std::exchange(planned_, {});
  if (plans.empty() || nothing(plans)) plans = plan_all();
  // Where all had to give way for what waits the engine's next look finds room, and where caches
  // joined every rank it finds what they decode: they join, all give way, others join at most.
  constexpr int kLooks = 3;
  for (int look = 0; look < kLooks && nothing(plans) && requests() > 0; ++look) plans = plan_all();
  if (nothing(plans)) {
    // That all are done is known only when they agree on it. Prompts that wait for other ranks'
    // keep the iterations going, too.
    if (!held_ && iteration_ % rules_.agree_every == 0) {
      iteration_ = 0;
      return;
    }
  }
  for (BatchPlan& plan : plans) plan.dummy = plan.empty();
  pad_to_graphs(rules_.graphs, plans);
  if (next_snapshot_) horizon = std::min(horizon, *next_snapshot_);
  const sim::Time begin = fast_forward(plans, now, horizon);
  const sim::Duration time = cost_of(plans, begin);
  count(plans, time);
  for (const BatchPlan& plan : plans) {
    for (const Scheduled& work : plan.work) {
      if (work.sequence == nullptr) continue;
      Job& job = static_cast<Job&>(*work.sequence);
      if (!job.begun) job.record.scheduled = begin;
      job.begun = true;
    }
  }
  if (record != nullptr) write_down(plans, begin, begin + time);
  ++iteration_;
  ++all_iterations_;
  flight_ = Flight{.plans = std::move(plans), .begin = begin, .end = begin + time};
  if (rules_.scheduler.ahead) planned_ = plan_all();
}

std::optional<sim::Time> Replica::next_event() const {
  if (!flight_) return next_snapshot_;
  return next_snapshot_ && *next_snapshot_ < flight_->end ? next_snapshot_ : flight_->end;
}

std::int64_t Replica::drawn_acceptance() {
  std::int64_t kept = 0;
  for (const double chance : rules_.accepted) {
    if (speculation_.uniform() >= chance) break;
    ++kept;
  }
  return kept;
}

Outcome Replica::end(sim::Time now) {
  Outcome outcome;
  if (next_snapshot_ == now) {
    take_snapshot();
    next_snapshot_ =
        requests() > 0 || flight_ ? std::optional(now + rules_.snapshot) : std::nullopt;
  }
  if (!flight_ || flight_->end != now) return outcome;
  const Flight flight = std::move(*flight_);
  flight_.reset();
  for (const BatchPlan& plan : flight.plans) {
    for (const Scheduled& work : plan.work) {
      if (work.sequence == nullptr || !work.emits) continue;
      Job& job = static_cast<Job&>(*work.sequence);
      std::int64_t tokens = 1;
      if (work.decode && work.tokens > 1) {
        const std::int64_t kept = drawn_acceptance();
        counters_.accepted += kept;
        tokens += kept;
        accept(job, kept);
      }
      job.in_passes += flight.end - flight.begin;
      deliver(job, std::min(tokens, job.output - job.delivered), now, outcome);
    }
  }
  for (Job* job : outcome.finished) {
    for (BatchPlan& plan : planned_) {
      for (Scheduled& work : plan.work) {
        if (work.sequence == job) work.sequence = nullptr;  // its part of the next pass is wasted
      }
    }
    RankState& rank = ranks_[static_cast<std::size_t>(job->record.rank)];
    HeldBlocks kept = keep ? std::exchange(job->held, {}) : HeldBlocks{};
    remove(rank, *job);
    job->held = std::move(kept);
  }
  return outcome;
}

void Replica::deliver(Job& job, std::int64_t tokens, sim::Time now, Outcome& outcome) {
  const bool first = job.delivered == 0;
  if (first) {
    if (job.record.prefilled == sim::Time{}) job.record.prefilled = job.record.moved = now;
    job.record.emitted = now;
  }
  job.delivered += tokens;
  job.untold += tokens;
  job.last_token = now;
  const bool last = job.delivered == job.output;
  if (first || last || job.untold >= rules_.scheduler.stream_interval) {
    if (!first && job.counted) {
      counters_.gaps.add(now - job.last_message);
      counters_.passes.add(job.in_passes);
    }
    job.last_message = now;
    job.untold = 0;
    job.in_passes = {};
  }
  if (last) outcome.finished.push_back(&job);
}

void Replica::write_down(std::span<const BatchPlan> plans, sim::Time begin, sim::Time end) {
  PlayedIteration iteration{.begin = begin, .end = end, .waiting = waiting()};
  for (const BatchPlan& plan : plans) {
    iteration.prompt_tokens += plan.prompt_tokens();
    iteration.decodes += plan.decodes;
  }
  record->push_back(iteration);
}

void Replica::count(std::span<const BatchPlan> plans, sim::Duration time) {
  std::int64_t tokens = 0, most = 0, waits = 0, runs = 0, blocks = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const BatchPlan& plan = plans[i];
    if (plan.dummy) ++counters_.dummies;
    const std::int64_t own = plan.dummy ? 0 : plan.tokens();
    tokens += own;
    most = std::max(most, own);
    counters_.prompt_tokens += plan.prompt_tokens();
    counters_.padding += plan.padding;
    counters_.decodes += plan.decodes;
    waits += static_cast<std::int64_t>(ranks_[i].waiting.size() + inbox_[i].size());
    runs += static_cast<std::int64_t>(ranks_[i].running.size());
    blocks += ranks_[i].pool.used();
  }
  ++counters_.iterations;
  if (plans.front().graph) ++counters_.graph_iterations;
  counters_.tokens += tokens;
  counters_.iteration_tokens.add(sim::Duration(tokens));
  if (most > 0) {
    counters_.balance += static_cast<double>(tokens) /
                         (static_cast<double>(most) * static_cast<double>(plans.size()));
  }
  counters_.busy += time;
  const auto ps = static_cast<double>(time.count());
  counters_.running += static_cast<double>(runs) * ps;
  counters_.waiting += static_cast<double>(waits) * ps;
  counters_.blocks += static_cast<double>(blocks) * ps;
  counters_.most_running = std::max(counters_.most_running, runs);
  counters_.most_waiting = std::max(counters_.most_waiting, waits);
  counters_.most_blocks = std::max(counters_.most_blocks, blocks);
}

// --- many at once
// ---------------------------------------------------------------------------------

std::int64_t Replica::repeats(std::span<const BatchPlan> plans, sim::Time now) const {
  const SchedulerRules& rules = rules_.scheduler;
  if (rules_.step_by_step || rules.draft > 0 || rules.stream_interval > 1) return 0;
  std::int64_t times = kNoLimit;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const RankState& rank = ranks_[i];
    if (!plans[i].decode_only() || plans[i].work.size() != rank.running.size()) return 0;
    if (!inbox_[i].empty()) return 0;
    // Who waits stays where it is while nobody ends: if it was looked at now, and nothing that
    // changes by itself can let it in.
    if (!rank.waiting.empty() &&
        (rules.ahead || plans[i].gave_way || rules.kind == SchedulerKind::Sglang ||
         rules.prefill_interval > 1 || rules.batch_wait.iterations > 0 ||
         rules_.balance_iterations > 0)) {
      return 0;
    }
    for (const Scheduled& work : plans[i].work) {
      if (work.sequence == nullptr) return 0;
      const Job& job = static_cast<const Job&>(*work.sequence);
      if (job.last_token != now || job.delivered == 0) return 0;
      times = std::min(times, job.output - job.delivered - 1);
    }
  }
  return times == kNoLimit ? 0 : times;  // nobody has work
}

// Plays the plans again and again while nothing changes but the keys: what step by step would do,
// in a few additions an iteration. Returns when the one that is still to be launched begins.
sim::Time Replica::fast_forward(std::vector<BatchPlan>& plans, sim::Time now, sim::Time horizon) {
  const std::int64_t most = repeats(plans, now);
  if (most <= 0) return now;
  // How many sequences of a rank need a block for the pass after next, by what their length leaves.
  std::vector<std::vector<std::int64_t>> lengths(plans.size());
  std::int64_t counted = 0;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    lengths[i].resize(static_cast<std::size_t>(rules_.block));
    for (const Scheduled& work : plans[i].work) {
      const RankState& rank = ranks_[i];
      if (static_cast<const Job&>(*work.sequence).counted) ++counted;
      const std::int64_t spare =
          work.sequence->held.count * rank.pool.block_tokens() - work.sequence->computed;
      if (spare < 0 || spare >= rules_.block) return now;  // holds more than it needs
      ++lengths[i][static_cast<std::size_t>(spare)];
    }
  }
  std::int64_t done = 0;
  std::vector<HeldBlocks> taken(plans.size());
  sim::Time at = now;
  for (; done < most; ++done) {
    // Whether the pass after this one has its blocks: those with `done` tokens to spare take one.
    const auto spare = static_cast<std::size_t>(done % rules_.block);
    const auto fits = [&](std::size_t i) { return lengths[i][spare] <= ranks_[i].pool.free(); };
    bool all = true;
    for (std::size_t i = 0; i < plans.size(); ++i) all = all && fits(i);
    if (!all) break;
    const sim::Duration time = cost_of(plans, at);
    if (at + time >= horizon) break;
    count(plans, time);
    if (record != nullptr) write_down(plans, at, at + time);
    at += time;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      ranks_[i].pool.take(taken[i], lengths[i][spare]);
      plans[i].keys += plans[i].decodes;
      plans[i].longest += plans[i].decodes > 0 ? 1 : 0;
    }
    if (counted > 0) {
      counters_.gaps.add(time, counted);
      counters_.passes.add(time, counted);
    }
    ++iteration_;
    ++all_iterations_;
    ++counters_.fast;
  }
  if (done == 0) return now;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    RankState& rank = ranks_[i];
    repeat(rules_.scheduler, rank, done);
    for (Scheduled& work : plans[i].work) {
      Job& job = static_cast<Job&>(*work.sequence);
      job.computed += done;
      job.most_computed = std::max(job.most_computed, job.computed);
      job.generated += done;
      job.delivered += done;
      job.last_token = job.last_message = at;
      job.held.count = rank.pool.for_tokens(job.computed);
      work.before += done;
      if (!job.names.empty()) {
        const auto full = static_cast<std::size_t>(job.computed / rules_.block);
        rank.pool.name(job.held, std::span(job.names).first(std::min(full, job.names.size())));
      }
    }
  }
  return at;
}

// --- what others may know
// -------------------------------------------------------------------------

std::int64_t Replica::waiting() const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    sum += static_cast<std::int64_t>(ranks_[i].waiting.size() + inbox_[i].size());
  }
  return sum;
}

std::int64_t Replica::running() const {
  std::int64_t sum = 0;
  for (const RankState& rank : ranks_) sum += static_cast<std::int64_t>(rank.running.size());
  return sum;
}

std::int64_t Replica::tokens_left() const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    for (const Sequence* s : ranks_[i].waiting) sum += s->rest();
    for (const Sequence* s : inbox_[i]) sum += s->rest();
    for (const Sequence* s : ranks_[i].running) sum += s->rest();
  }
  return sum;
}

std::int64_t Replica::blocks_used() const {
  std::int64_t sum = 0;
  for (const RankState& rank : ranks_) sum += rank.pool.used();
  return sum;
}

}  // namespace moesim::workloads::serving
