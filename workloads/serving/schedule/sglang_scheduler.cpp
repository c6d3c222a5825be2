// SGLang (managers/scheduler.py, schedule_policy.py, disaggregation/decode.py): an iteration reads
// prompts, if it can, and decodes otherwise. One prompt at a time is cut. Admission keeps room for
// a part of what those that run may still generate, a part that shrinks with each decode while all
// goes well, jumps when the pool is full, and is the first one again after the engine was idle.
#include <algorithm>

#include "workloads/serving/schedule/scheduler.h"

namespace moesim::workloads::serving {
namespace {

using namespace steps;

constexpr double kFirstRatio = 0.7, kLeastRatio = 0.14;  // the least: of the first
constexpr std::int64_t kDecaySteps = 600;
constexpr std::int64_t kMostReserved = 4096;  // tokens of output that a request is taken to have
constexpr std::int64_t kRetractSteps = 20;    // decode steps that are to fit after a retraction

double first_ratio(const SchedulerRules& rules) {
  return std::min(kFirstRatio * rules.conservativeness, 1.0);
}

std::int64_t remaining(const Sequence& s) {
  return std::min(s.limit - s.generated, kMostReserved);
}

bool half_read(const RankState& rank, const Sequence* s) {
  return rank.chunked == s;
}

// As preempted, but behind the others: retracted requests are queued anew.
void retract(RankState& rank, Sequence& s) {
  std::erase(rank.running, &s);
  lose(rank, s);
  rank.waiting.push_back(&s);
}

// Tokens that are free beside what those that run may still generate.
double room_of(const RankState& rank) {
  double room = static_cast<double>(rank.pool.free() * rank.pool.block_tokens());
  for (const Sequence* s : rank.running) {
    if (!half_read(rank, s)) room -= rank.ratio * static_cast<double>(remaining(*s));
  }
  return room;
}

// Sequences whose caches came from a prefill elsewhere run from now on: their batch is "prebuilt",
// and no pass is theirs alone. Whether there were any. Where nobody decodes one is let in without
// room beside: a prompt that is half read may wait for the blocks that it holds.
bool join_with_cache(const SchedulerRules& rules, RankState& rank) {
  double room = room_of(rank);
  const auto reads = [&](const Sequence* s) { return half_read(rank, s); };
  bool alone = std::all_of(rank.running.begin(), rank.running.end(), reads), joined = false;
  while (!rank.waiting.empty() && rank.waiting.front()->decodes() &&
         static_cast<std::int64_t>(rank.running.size()) < rules.sequences) {
    Sequence* s = rank.waiting.front();
    const auto needed = static_cast<double>(1 + remaining(*s));
    if (!alone && needed > room) break;
    room -= needed;
    alone = false;
    rank.waiting.pop_front();
    rank.running.push_back(s);
    joined = true;
  }
  return joined;
}

void admit_prompts(const SchedulerRules& rules, RankState& rank, BatchPlan& plan) {
  const std::int64_t page = rank.pool.block_tokens();
  std::int64_t chunk = rules.chunked ? rules.chunk : kNoLimit, input = rules.tokens;
  double room = room_of(rank);
  if (Sequence* s = rank.chunked) {
    const std::int64_t tokens = std::min(s->rest(), chunk);
    const std::int64_t blocks = blocks_for(rank, *s, s->computed + tokens);
    if (rank.pool.free() < blocks) return;
    const bool whole = tokens == s->rest();
    rank.pool.take(s->held, blocks);
    add(rules, rank, *s, tokens, plan);
    chunk -= tokens;
    input -= tokens;
    room -= static_cast<double>(tokens + (whole ? remaining(*s) : 0));
    if (whole) rank.chunked = nullptr;
  }
  while (!rank.waiting.empty() && rank.chunked == nullptr && chunk > 0 && input > 0 &&
         static_cast<std::int64_t>(rank.running.size()) < rules.sequences) {
    auto next = rank.waiting.begin();
    if (rules.order == RequestOrder::LongestPrefix) {
      next = std::max_element(
          rank.waiting.begin(), rank.waiting.end(), [&](const Sequence* a, const Sequence* b) {
            return look_up(rules, rank, *a).blocks < look_up(rules, rank, *b).blocks;
          });
    }
    Sequence& s = **next;
    const Found found = look_up(rules, rank, s);
    const std::int64_t there = s.computed + found.blocks * page;
    const std::int64_t rest = s.known() - there;
    // One that is alone may have all there is.
    if (!rank.running.empty() &&
        static_cast<double>(rest + remaining(s) + found.idle * page) > room) {
      break;
    }
    if (rest >= input && !plan.work.empty()) break;
    const std::int64_t tokens = std::min(rest, chunk);
    const std::int64_t held = s.held.count + found.blocks;
    const std::int64_t blocks =
        std::max<std::int64_t>(0, rank.pool.for_tokens(there + tokens) - held);
    if (rank.pool.free() < blocks + found.idle) break;
    start_with(rank, s, found);
    rank.pool.take(s.held, blocks);
    rank.waiting.erase(next);
    rank.running.push_back(&s);
    const bool whole = tokens == rest;
    room -= static_cast<double>(tokens + (whole ? remaining(s) : 0) + found.idle * page);
    if (!whole) rank.chunked = &s;
    add(rules, rank, s, tokens, plan);
    chunk -= tokens;
    input -= tokens;
  }
}

// Until the running ones fit, those with the least output go, of equals the longest prompt.
void fit_decodes(const SchedulerRules& rules, RankState& rank) {
  if (rank.running.empty()) return;
  const auto needed = [&] {
    std::int64_t blocks = 0;
    for (const Sequence* s : rank.running) {
      if (!done(*s) && !half_read(rank, s)) {
        blocks += blocks_for(rank, *s, s->computed + wanted(rules, *s));
      }
    }
    return blocks;
  };
  bool retracted = false;
  std::int64_t blocks = needed();
  while (blocks > rank.pool.free()) {
    Sequence* least = nullptr;
    for (Sequence* s : rank.running) {
      if (half_read(rank, s)) continue;
      if (least == nullptr ||
          std::pair(s->generated, -s->input) <= std::pair(least->generated, -least->input)) {
        least = s;
      }
    }
    if (least == nullptr) break;
    retract(rank, *least);
    retracted = true;
    blocks = needed();
  }
  if (!retracted) {
    repeat_sglang(rules, rank, 1);
    return;
  }
  double generated = 0, allowed = 0;
  for (const Sequence* s : rank.running) {
    generated += static_cast<double>(s->generated + kRetractSteps);
    allowed += static_cast<double>(s->limit);
  }
  if (allowed > 0) rank.ratio = std::min(1.0, generated / allowed);
}

void add_decodes(const SchedulerRules& rules, RankState& rank, BatchPlan& plan) {
  for (Sequence* s : rank.running) {
    const bool wasted = rules.late && done(*s);  // its end is not known yet
    if ((done(*s) && !wasted) || half_read(rank, s) || s->rest() != 1) continue;
    const std::int64_t tokens = wanted(rules, *s);
    // What a wasted pass would cache is nobody's: it takes no block from those that go on.
    if (!wasted) rank.pool.take(s->held, blocks_for(rank, *s, s->computed + tokens));
    add(rules, rank, *s, tokens, plan);
  }
}

}  // namespace

void repeat_sglang(const SchedulerRules& rules, RankState& rank, std::int64_t times) {
  const double first = first_ratio(rules), least = first * kLeastRatio;
  const double step = (first - least) / static_cast<double>(kDecaySteps);
  // One by one: the same sum, to the bit, however many come at once.
  for (; times > 0 && rank.ratio > least; --times) rank.ratio = std::max(rank.ratio - step, least);
}

BatchPlan plan_sglang(const SchedulerRules& rules, RankState& rank, const Moment& moment) {
  if (rank.ratio < 0 || moment.idle) rank.ratio = first_ratio(rules);
  BatchPlan plan;
  // In the meantime other dp ranks' passes go on, without this one's sequences.
  if (join_with_cache(rules, rank) && !moment.alone) return plan;
  if (!moment.hold_prompts) admit_prompts(rules, rank, plan);
  if (!plan.empty() && !rules.mixed) return plan;
  std::vector<Sequence*> fresh;
  for (const Scheduled& work : plan.work) fresh.push_back(work.sequence);
  fit_decodes(rules, rank);
  if (fresh.empty()) {
    add_decodes(rules, rank, plan);
    return plan;
  }
  // mixed: those that run already decode beside the prompts.
  for (Sequence* s : std::vector<Sequence*>(rank.running)) {
    const bool planned = std::find(fresh.begin(), fresh.end(), s) != fresh.end();
    if (planned || done(*s) || half_read(rank, s) || s->rest() != 1) continue;
    const std::int64_t blocks = blocks_for(rank, *s, s->computed + wanted(rules, *s));
    if (rank.pool.free() < blocks) continue;
    rank.pool.take(s->held, blocks);
    add(rules, rank, *s, wanted(rules, *s), plan);
  }
  return plan;
}

}  // namespace moesim::workloads::serving
