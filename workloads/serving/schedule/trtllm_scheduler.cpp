// TensorRT-LLM (_torch/pyexecutor/scheduler.py): first who may hold cache, then what fits into the
// iteration. guaranteed_no_evict admits a request only if its prompt and all of its output fit
// beside what the others will still take; max_utilization admits whoever can start, and pauses the
// latest when the pool is full.
#include <algorithm>

#include "workloads/serving/schedule/scheduler.h"

namespace moesim::workloads::serving {
namespace {

using namespace steps;

std::int64_t to_the_end(const SchedulerRules& rules, const RankState& rank, const Sequence& s) {
  return blocks_for(rank, s, s.input + s.limit - 1 + rules.draft);
}

// Blocks that those that run take in their next pass.
std::int64_t of_next_pass(const SchedulerRules& rules, const RankState& rank) {
  std::int64_t blocks = 0;
  for (const Sequence* s : rank.running) {
    if (done(*s)) continue;
    blocks += blocks_for(rank, *s, s->computed + std::min(wanted(rules, *s), rules.tokens));
  }
  return blocks;
}

// Blocks that are not to be had, though they are free.
std::int64_t promised(const SchedulerRules& rules, const RankState& rank) {
  if (rules.admission == Admission::MaxUtilization) return of_next_pass(rules, rank);
  std::int64_t blocks = 0;
  for (const Sequence* s : rank.running) blocks += to_the_end(rules, rank, *s);
  return blocks;
}

void pause_latest(const SchedulerRules& rules, RankState& rank) {
  while (of_next_pass(rules, rank) > rank.pool.free() && !rank.running.empty()) {
    Sequence* latest = rank.running.back();
    rank.running.pop_back();
    lose(rank, *latest);
    wait_again(rank, *latest);
  }
}

void admit(const SchedulerRules& rules, RankState& rank) {
  std::int64_t taken = promised(rules, rank);
  while (!rank.waiting.empty() &&
         static_cast<std::int64_t>(rank.running.size()) < rules.sequences) {
    Sequence& s = *rank.waiting.front();
    const Found found = look_up(rules, rank, s);
    const std::int64_t held = s.held.count + found.blocks;
    const std::int64_t end =
        rules.admission == Admission::NoEvict ? s.input + s.limit - 1 + rules.draft : s.known();
    const std::int64_t blocks = std::max<std::int64_t>(0, rank.pool.for_tokens(end) - held);
    if (rank.pool.free() < taken + blocks + found.idle) break;
    start_with(rank, s, found);
    rank.waiting.pop_front();
    rank.running.push_back(&s);
    taken += blocks;
  }
}

// Prompts wait for company, up to so many iterations, while others decode.
bool waits(const SchedulerRules& rules, RankState& rank) {
  if (rules.batch_wait.iterations == 0) return false;
  std::int64_t prompts = 0, decodes = 0;
  for (const Sequence* s : rank.running) {
    if (done(*s)) continue;
    (s->decodes() ? decodes : prompts) += wanted(rules, *s);
  }
  if (prompts == 0 || decodes == 0) return false;
  const double enough = rules.batch_wait.share * static_cast<double>(rules.tokens);
  if (rank.held_back >= rules.batch_wait.iterations ||
      static_cast<double>(prompts + decodes) >= enough) {
    rank.held_back = 0;
    return false;
  }
  ++rank.held_back;
  return true;
}

}  // namespace

BatchPlan plan_trtllm(const SchedulerRules& rules, RankState& rank, const Moment& moment) {
  if (rules.admission == Admission::MaxUtilization) pause_latest(rules, rank);
  admit(rules, rank);
  const bool held_back = moment.hold_prompts || waits(rules, rank);
  BatchPlan plan;
  std::int64_t budget = rules.tokens;
  for (Sequence* s : rank.running) {
    if (done(*s) && !rules.late) continue;
    if (!s->decodes() && held_back) continue;
    if (done(*s) && !s->decodes()) continue;
    std::int64_t tokens = wanted(rules, *s);
    if (tokens > budget) {
      if (!rules.chunked || s->decodes() || budget == 0) break;
      tokens = budget;
    }
    if (!s->decodes()) tokens = std::min(tokens, rules.chunk);
    const std::int64_t blocks = blocks_for(rank, *s, s->computed + tokens);
    if (rank.pool.free() < blocks) break;
    rank.pool.take(s->held, blocks);
    add(rules, rank, *s, tokens, plan);
    budget -= tokens;
  }
  return plan;
}

}  // namespace moesim::workloads::serving
