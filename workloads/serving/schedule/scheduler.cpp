#include "workloads/serving/schedule/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/check.h"

namespace moesim::workloads::serving {

BatchPlan plan(const SchedulerRules& rules, RankState& rank, const Moment& moment) {
  switch (rules.kind) {
    case SchedulerKind::Vllm:
      return plan_vllm(rules, rank, moment);
    case SchedulerKind::Sglang:
      return plan_sglang(rules, rank, moment);
    case SchedulerKind::Trtllm:
      break;
  }
  return plan_trtllm(rules, rank, moment);
}

void accept(Sequence& sequence, std::int64_t tokens) {
  sequence.generated += tokens;
  sequence.computed += tokens;
}

void remove(RankState& rank, Sequence& sequence) {
  std::erase(rank.running, &sequence);
  std::erase(rank.waiting, &sequence);
  if (rank.chunked == &sequence) rank.chunked = nullptr;
  rank.pool.release(sequence.held);
}

void enqueue(const SchedulerRules& rules, RankState& rank, Sequence& sequence) {
  auto place = sequence.held.count > 0 ? steps::first_that_holds_nothing(rank) : rank.waiting.end();
  if (rules.order == RequestOrder::Priority && sequence.held.count == 0) {
    place = std::upper_bound(rank.waiting.begin(), rank.waiting.end(), &sequence,
                             [](const Sequence* a, const Sequence* b) {
                               return std::pair(a->priority, a->queued) <
                                      std::pair(b->priority, b->queued);
                             });
  }
  rank.waiting.insert(place, &sequence);
}

void repeat(const SchedulerRules& rules, RankState& rank, std::int64_t times) {
  if (rules.kind == SchedulerKind::Sglang) repeat_sglang(rules, rank, times);
}

std::int64_t reserved_blocks(const SchedulerRules& rules, const RankState& rank,
                             const Sequence& sequence) {
  const bool all = rules.kind == SchedulerKind::Trtllm && rules.admission == Admission::NoEvict;
  return rank.pool.for_tokens(all ? sequence.input + sequence.limit - 1 + rules.draft
                                  : sequence.known() + (sequence.generated == 0 ? 1 : 0) +
                                        rules.draft);
}

std::string never_served(const SchedulerRules& rules, std::int64_t blocks, std::int64_t block,
                         std::int64_t input, std::int64_t limit, bool reads) {
  // The last token's keys are never needed, but drafted ones' are.
  const std::int64_t most = input + limit - 1 + rules.draft;
  const std::int64_t needed = (most + block - 1) / block;
  if (needed > blocks) {
    return fmt::format("{} tokens in and {} out need {} blocks of {} tokens, the cache has {}",
                       input, limit, needed, block, blocks);
  }
  // One that lost its cache reads all that is known again.
  const bool again = rules.kind == SchedulerKind::Vllm ||
                     (rules.kind == SchedulerKind::Trtllm && rules.admission != Admission::NoEvict);
  const std::int64_t longest = again ? input + limit - 1 : reads ? input : 1;
  if (!rules.chunked && rules.kind != SchedulerKind::Sglang && longest > rules.tokens) {
    return fmt::format("prompts are not cut, and {} tokens are more than the {} of an iteration",
                       longest, rules.tokens);
  }
  return {};
}

namespace steps {

std::int64_t wanted(const SchedulerRules& rules, const Sequence& sequence) {
  return sequence.rest() + (sequence.decodes() && sequence.generated > 0 ? rules.draft : 0);
}

bool done(const Sequence& sequence) {
  return sequence.generated >= sequence.limit;
}

std::int64_t blocks_for(const RankState& rank, const Sequence& sequence, std::int64_t tokens) {
  return std::max<std::int64_t>(0, rank.pool.for_tokens(tokens) - sequence.held.count);
}

Found look_up(const SchedulerRules& rules, const RankState& rank, const Sequence& sequence) {
  if (!rules.prefix_cache || sequence.names.empty() || sequence.computed > 0) return {};
  const auto most = static_cast<std::size_t>((sequence.known() - 1) / rank.pool.block_tokens());
  const auto hit =
      rank.pool.find(std::span(sequence.names).first(std::min(most, sequence.names.size())));
  return {.blocks = hit.blocks, .idle = hit.idle};
}

void start_with(RankState& rank, Sequence& sequence, const Found& found) {
  if (found.blocks == 0) return;
  rank.pool.share(sequence.held,
                  std::span(sequence.names).first(static_cast<std::size_t>(found.blocks)));
  sequence.computed = found.blocks * rank.pool.block_tokens();
  if (sequence.preemptions == 0) sequence.cached = sequence.computed;
}

void add(const SchedulerRules& rules, RankState& rank, Sequence& sequence, std::int64_t tokens,
         BatchPlan& plan) {
  Scheduled work{.sequence = &sequence, .tokens = tokens, .before = sequence.computed};
  work.decode = sequence.decodes();
  work.emits = work.decode || tokens == sequence.rest();
  const std::int64_t end = work.before + tokens;
  sequence.recomputed +=
      std::max<std::int64_t>(0, std::min(end, sequence.most_computed) - work.before);
  if (work.decode) {
    ++plan.decodes;
    plan.queries = 1 + rules.draft;
    plan.keys += end;
    plan.longest = std::max(plan.longest, end);
    sequence.computed += 1;
  } else {
    plan.chunks.push_back({.tokens = tokens, .before = work.before, .emits = work.emits});
    sequence.computed += tokens;
  }
  sequence.most_computed = std::max(sequence.most_computed, sequence.computed);
  if (rules.prefix_cache && !sequence.names.empty()) {
    const auto full = static_cast<std::size_t>(
        std::min(sequence.computed / rank.pool.block_tokens(), sequence.held.count));
    rank.pool.name(sequence.held,
                   std::span(sequence.names).first(std::min(full, sequence.names.size())));
  }
  if (work.emits) ++sequence.generated;
  plan.work.push_back(work);
}

std::deque<Sequence*>::iterator first_that_holds_nothing(RankState& rank) {
  return std::find_if(rank.waiting.begin(), rank.waiting.end(),
                      [](const Sequence* s) { return s->held.count == 0; });
}

void lose(RankState& rank, Sequence& sequence) {
  rank.pool.release(sequence.held);
  sequence.computed = 0;
  ++sequence.preemptions;
}

void wait_again(RankState& rank, Sequence& sequence) {
  rank.waiting.insert(first_that_holds_nothing(rank), &sequence);
}

}  // namespace steps
}  // namespace moesim::workloads::serving
