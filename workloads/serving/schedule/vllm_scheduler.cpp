// vLLM V1 (vllm/v1/core/sched/scheduler.py, kv_cache_manager.py): no prefill phase; what runs goes
// first, the last one running gives way, and who waits is admitted in order until one does not fit.
#include <algorithm>

#include "workloads/serving/schedule/scheduler.h"

namespace moesim::workloads::serving {
namespace {

using namespace steps;

// In iterations between those that are divisible by the interval prompts are put off for those that
// decode; not while more waits than one iteration could admit.
bool puts_off(const SchedulerRules& rules, const RankState& rank, const Moment& moment) {
  if (rules.prefill_interval <= 1 || moment.iteration % rules.prefill_interval == 0) return false;
  std::int64_t decoding = 0, prompts = 0;
  for (const Sequence* s : rank.running) {
    if (done(*s)) continue;
    if (s->decodes()) {
      ++decoding;
    } else {
      prompts += s->rest();
    }
  }
  for (const Sequence* s : rank.waiting) prompts += s->rest();
  const auto all = static_cast<std::int64_t>(rank.running.size() + rank.waiting.size());
  return decoding > 0 && prompts + decoding <= rules.tokens && all <= rules.sequences;
}

// Whoever gives way: the last one admitted, or the one that matters least.
Sequence* victim_of(const SchedulerRules& rules, const RankState& rank) {
  if (rules.order != RequestOrder::Priority) return rank.running.back();
  return *std::max_element(
      rank.running.begin(), rank.running.end(), [](const Sequence* a, const Sequence* b) {
        return std::pair(a->priority, a->queued) < std::pair(b->priority, b->queued);
      });
}

// What was planned for a sequence that gives way after all.
std::int64_t withdraw(BatchPlan& plan, const Sequence& sequence) {
  const auto found = std::find_if(plan.work.begin(), plan.work.end(), [&](const Scheduled& work) {
    return work.sequence == &sequence;
  });
  if (found == plan.work.end()) return 0;
  const std::int64_t tokens = found->tokens, end = found->before + tokens;
  if (found->emits) --found->sequence->generated;
  if (found->decode) {
    --plan.decodes;
    plan.keys -= end;
  } else {
    plan.chunks.erase(std::find(plan.chunks.begin(), plan.chunks.end(),
                                BatchPlan::Chunk{tokens, found->before, found->emits}));
  }
  plan.work.erase(found);
  plan.longest = 0;
  for (const Scheduled& work : plan.work) {
    if (work.decode) plan.longest = std::max(plan.longest, work.before + work.tokens);
  }
  return tokens;
}

struct Pass {
  const SchedulerRules& rules;
  RankState& rank;
  BatchPlan plan = {};
  std::int64_t budget = 0;
  bool preempted = false;

  // Makes room for the sequence; false where it had to give way itself.
  bool make_room(Sequence& sequence, std::int64_t blocks) {
    while (rank.pool.free() < blocks) {
      Sequence* victim = victim_of(rules, rank);
      budget += withdraw(plan, *victim);
      std::erase(rank.running, victim);
      lose(rank, *victim);
      wait_again(rank, *victim);
      preempted = true;
      if (victim == &sequence) return false;
    }
    return true;
  }

  void go_on(bool put_off) {
    for (std::size_t i = 0; i < rank.running.size() && budget > 0;) {
      Sequence& s = *rank.running[i];
      if (done(s) || (put_off && !s.decodes())) {
        ++i;
        continue;
      }
      const std::int64_t tokens = std::min({wanted(rules, s), budget, rules.chunk});
      const std::int64_t blocks = blocks_for(rank, s, s.computed + tokens);
      if (!make_room(s, blocks)) break;
      // A victim before it moved it to the front.
      i = static_cast<std::size_t>(std::find(rank.running.begin(), rank.running.end(), &s) -
                                   rank.running.begin()) +
          1;
      rank.pool.take(s.held, blocks);
      add(rules, rank, s, tokens, plan);
      budget -= tokens;
    }
  }

  void admit() {
    const auto spare =
        static_cast<std::int64_t>(rules.watermark * static_cast<double>(rank.pool.blocks()));
    while (!rank.waiting.empty() && budget > 0 &&
           static_cast<std::int64_t>(rank.running.size()) < rules.sequences) {
      Sequence& s = *rank.waiting.front();
      const Found found = look_up(rules, rank, s);
      const std::int64_t there = s.computed + found.blocks * rank.pool.block_tokens();
      const std::int64_t rest = s.known() - there;
      if (!rules.chunked && rest > budget) break;
      const std::int64_t tokens = std::min({rest, budget, rules.chunk});
      const std::int64_t held = s.held.count + found.blocks;
      const std::int64_t blocks =
          std::max<std::int64_t>(0, rank.pool.for_tokens(there + tokens) - held);
      const std::int64_t needed =
          rules.reserve_full_prompt
              ? std::max<std::int64_t>(0, rank.pool.for_tokens(s.known()) - held)
              : blocks;
      const std::int64_t kept = rank.running.empty() ? 0 : spare;
      if (rank.pool.free() < needed + found.idle + kept) break;
      start_with(rank, s, found);
      rank.pool.take(s.held, blocks);
      rank.waiting.pop_front();
      rank.running.push_back(&s);
      add(rules, rank, s, tokens, plan);
      budget -= tokens;
    }
  }
};

}  // namespace

BatchPlan plan_vllm(const SchedulerRules& rules, RankState& rank, const Moment& moment) {
  Pass pass{.rules = rules, .rank = rank, .budget = rules.tokens};
  const bool put_off = moment.hold_prompts || puts_off(rules, rank, moment);
  pass.go_on(put_off);
  if (!pass.preempted && !put_off) pass.admit();
  pass.plan.gave_way = pass.preempted;
  return std::move(pass.plan);
}

}  // namespace moesim::workloads::serving
