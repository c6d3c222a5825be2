// What a dp rank does next: an engine's scheduler as a function of its queues and its cache.
//
// plan() takes what it plans as done (computed, generated, blocks), so that the next iteration can
// be planned while this one runs. Sources: workloads/serving/README.md.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "workloads/deployment/engine_parts.h"
#include "workloads/serving/schedule/sequence.h"

namespace moesim::workloads::serving {

enum class SchedulerKind { Vllm, Sglang, Trtllm };
inline constexpr std::array<std::string_view, 3> kSchedulerKindNames{"vllm", "sglang", "trtllm"};

inline constexpr std::int64_t kNoLimit = std::int64_t{1} << 40;

struct SchedulerRules {
  SchedulerKind kind = SchedulerKind::Vllm;
  std::int64_t tokens = 8192;     // of one iteration
  std::int64_t sequences = 1024;  // that run at once
  std::int64_t chunk = kNoLimit;  // of one prompt in one iteration (SGLang: of all prompts)
  bool chunked = true;
  bool mixed = false;  // SGLang: decodes go along with a prefill
  RequestOrder order = RequestOrder::Fcfs;
  std::int64_t prefill_interval = 1;
  bool ahead = false;  // the next iteration is planned while one runs
  bool late = false;   // ... and takes part of those that end meanwhile
  std::int64_t receive_interval = 1;
  std::int64_t stream_interval = 1;
  BatchWait batch_wait = {};
  Admission admission = Admission::NoEvict;
  bool prefix_cache = true;
  bool reserve_full_prompt = true;
  double watermark = 0;         // of the blocks, left free at admission beside running work
  double conservativeness = 1;  // SGLang: of what running sequences will still need
  std::int64_t draft = 0;       // tokens guessed for each that decodes

  // Tokens of prompts that one iteration has at most.
  std::int64_t prompt_budget() const {
    return kind == SchedulerKind::Sglang ? std::min(tokens, chunk) : tokens;
  }
};

// Queues and cache of one dp rank.
struct RankState {
  BlockPool pool;
  std::deque<Sequence*> waiting = {};   // first in front
  std::vector<Sequence*> running = {};  // in order of admission
  // SGLang's.
  double ratio = -1;            // of the remaining output that admission reserves
  Sequence* chunked = nullptr;  // the prompt that is half read
  // TensorRT-LLM's.
  std::int64_t held_back = 0;  // iterations that prompts have waited
};

struct Moment {
  std::int64_t iteration = 0;  // since work began
  bool hold_prompts = false;   // another rank's prompts are waited for
  bool idle = false;           // no rank has work: SGLang begins anew with what it keeps free
  bool alone = true;           // the engine has no other dp rank
};

// One iteration's work; empty where there is none that can be done.
BatchPlan plan(const SchedulerRules& rules, RankState& rank, const Moment& moment);
// As plan() so many times more, where nothing but decodes of the same sequences was planned: what
// an engine remembers beside its queues and cache.
void repeat(const SchedulerRules& rules, RankState& rank, std::int64_t times);
// The tokens an iteration gained beyond the one that plan() gave.
void accept(Sequence& sequence, std::int64_t tokens);
// Takes a sequence that has ended, or left, out of the rank.
void remove(RankState& rank, Sequence& sequence);

// A request comes: behind the others, or where its priority puts it. One whose cache came from
// elsewhere goes before those that hold nothing, from which it keeps its blocks.
void enqueue(const SchedulerRules& rules, RankState& rank, Sequence& sequence);

BatchPlan plan_vllm(const SchedulerRules& rules, RankState& rank, const Moment& moment);
BatchPlan plan_sglang(const SchedulerRules& rules, RankState& rank, const Moment& moment);
void repeat_sglang(const SchedulerRules& rules, RankState& rank, std::int64_t times);
BatchPlan plan_trtllm(const SchedulerRules& rules, RankState& rank, const Moment& moment);

// Blocks that a sequence needs before its cache comes from elsewhere: all that is known, and the
// next token; or to the end, where a request starts only if it can end.
std::int64_t reserved_blocks(const SchedulerRules& rules, const RankState& rank,
                             const Sequence& sequence);
// Why an engine with such a pool would never serve a request of these lengths; empty where it
// would. `reads`: prompts; else their caches come from elsewhere, and an iteration's tokens bound
// what is read again alone.
std::string never_served(const SchedulerRules& rules, std::int64_t blocks, std::int64_t block,
                         std::int64_t input, std::int64_t limit, bool reads = true);

// Steps that the schedulers are made of.
namespace steps {

// Tokens that a sequence's next pass wants: the rest of its prompt, or one and the drafted ones.
std::int64_t wanted(const SchedulerRules& rules, const Sequence& sequence);
// Whether nothing is left to do but to wait for results: all tokens that it may have are given.
bool done(const Sequence& sequence);
// Blocks that the first `tokens` tokens take beyond those held.
std::int64_t blocks_for(const RankState& rank, const Sequence& sequence, std::int64_t tokens);
// What a sequence that holds nothing finds in the cache, of all but its last token.
struct Found {
  std::int64_t blocks = 0, idle = 0;
};
Found look_up(const SchedulerRules& rules, const RankState& rank, const Sequence& sequence);
void start_with(RankState& rank, Sequence& sequence, const Found& found);
// Adds the sequence's next pass to the plan. REQUIRES: blocks for it are held
void add(const SchedulerRules& rules, RankState& rank, Sequence& sequence, std::int64_t tokens,
         BatchPlan& plan);
// The cache of a running sequence is gone; its tokens are known.
void lose(RankState& rank, Sequence& sequence);
// It waits before all that came after it.
void wait_again(RankState& rank, Sequence& sequence);
std::deque<Sequence*>::iterator first_that_holds_nothing(RankState& rank);

}  // namespace steps
}  // namespace moesim::workloads::serving
