// What each scheduler plans, a rank at a time.
#include <doctest/doctest.h>

#include <memory>

#include "workloads/serving/schedule/scheduler.h"

using namespace moesim::workloads::serving;
using moesim::workloads::RequestOrder;

namespace {

struct Rank {
  SchedulerRules rules;
  RankState state;
  std::vector<std::unique_ptr<Sequence>> sequences;

  Rank(SchedulerKind kind, std::int64_t blocks, std::int64_t block)
      : rules{.kind = kind}, state{.pool = BlockPool(blocks, block)} {}
  Sequence& add(std::int64_t input, std::int64_t limit) {
    sequences.push_back(std::make_unique<Sequence>());
    Sequence& s = *sequences.back();
    s.id = static_cast<std::int64_t>(sequences.size()) - 1;
    s.input = input;
    s.limit = limit;
    enqueue(rules, state, s);
    return s;
  }
  BatchPlan next(std::int64_t iteration = 0) {
    return plan(rules, state, {.iteration = iteration});
  }
};

std::vector<std::int64_t> ids(const BatchPlan& plan) {
  std::vector<std::int64_t> list;
  for (const Scheduled& work : plan.work) list.push_back(work.sequence->id);
  return list;
}

using Ids = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("vLLM: who waits is admitted in order, and the first that does not fit stops all") {
  Rank rank(SchedulerKind::Vllm, 10, 16);
  rank.add(100, 5);  // 7 blocks
  rank.add(64, 5);   // 4: more than the 3 that are left
  rank.add(16, 5);   // 1 would fit
  CHECK(ids(rank.next()) == Ids{0});
}

TEST_CASE("vLLM: a whole prompt must have room, though only its chunk is taken") {
  Rank rank(SchedulerKind::Vllm, 10, 16);
  rank.rules.tokens = 16;
  rank.add(64, 5);
  rank.add(112, 5);  // 7 blocks; the first one has 4
  (void)rank.next();
  (void)rank.next();
  (void)rank.next();
  (void)rank.next();                  // its prompt is read
  CHECK(ids(rank.next()) == Ids{0});  // 5 blocks are its own now: 5 are free
  rank.rules.reserve_full_prompt = false;
  CHECK(ids(rank.next()) == Ids{0, 1});
  CHECK(rank.sequences[1]->computed == 15);  // what the decode left of the budget
}

TEST_CASE("vLLM: a watermark counts beside running work only") {
  Rank rank(SchedulerKind::Vllm, 10, 16);
  rank.rules.watermark = 0.5;
  rank.add(96, 5);  // 6 of 10 blocks: alone it may
  rank.add(16, 5);  // would leave 3, less than 5
  CHECK(ids(rank.next()) == Ids{0});
  rank.rules.watermark = 0.2;
  CHECK(ids(rank.next()) == Ids{0, 1});  // 0 has taken its seventh block: 2 are left, as they must
}

TEST_CASE("vLLM: without chunking a prompt that does not fit the budget waits") {
  Rank rank(SchedulerKind::Vllm, 100, 16);
  rank.rules.tokens = 64;
  rank.rules.chunked = false;
  rank.add(50, 5);
  rank.add(20, 5);
  CHECK(ids(rank.next()) == Ids{0});
  CHECK(ids(rank.next()) == Ids{0, 1});
}

TEST_CASE("vLLM: no more sequences than it may run") {
  Rank rank(SchedulerKind::Vllm, 100, 16);
  rank.rules.sequences = 2;
  for (int i = 0; i < 3; ++i) rank.add(10, 5);
  CHECK(ids(rank.next()) == Ids{0, 1});
}

TEST_CASE("vLLM: a long prompt is cut to its threshold, and leaves room for others") {
  Rank rank(SchedulerKind::Vllm, 100, 16);
  rank.rules.chunk = 30;
  rank.add(100, 5);
  rank.add(20, 5);
  const BatchPlan plan = rank.next();
  REQUIRE(plan.chunks.size() == 2);
  CHECK(plan.chunks[0] == BatchPlan::Chunk{30, 0, false});
  CHECK(plan.chunks[1] == BatchPlan::Chunk{20, 0, true});
}

TEST_CASE("SGLang: admission reserves a part of what the running ones may generate") {
  // 200 tokens. A: 50 + 100. It takes 50 and reserves 0.7 x 99 = 69.3: 80.7 are left.
  Rank rank(SchedulerKind::Sglang, 200, 1);
  rank.add(50, 100);
  CHECK(ids(rank.next()) == Ids{0});
  rank.add(40, 41);  // 81: too many
  CHECK(rank.next().decodes == 1);
  rank.sequences.back()->limit = 38;  // 78, and A has one token more, 68.6 reserved: 80.4
  CHECK(ids(rank.next()) == Ids{1});
}

TEST_CASE("SGLang: the reserved part shrinks with every decode, and jumps when the pool is full") {
  Rank rank(SchedulerKind::Sglang, 20, 1);
  rank.add(4, 10);
  (void)rank.next();
  rank.add(4, 10);
  CHECK(rank.state.ratio == 0.7);
  // 16 tokens are free, 0.7 x 9 of them reserved: 14 do not fit. With a tenth they do.
  rank.state.ratio = 0.1;
  CHECK(ids(rank.next()) == Ids{1});
  CHECK(rank.state.ratio == 0.1);
  (void)rank.next();  // (0.7 - 0.098) / 600 less
  CHECK(rank.state.ratio == doctest::Approx(0.1 - 0.602 / 600));
  for (int i = 0; i < 5; ++i) (void)rank.next();
  CHECK(rank.state.ratio == doctest::Approx(0.098));  // no less than 0.14 x 0.7
  CHECK(rank.state.pool.free() == 0);                 // two decode: 4 + 6 tokens each
  // Both have 7 tokens: the later one goes, and is queued anew.
  CHECK(ids(rank.next()) == Ids{0});
  CHECK(rank.sequences[1]->preemptions == 1);
  CHECK(rank.state.waiting.size() == 1);
  CHECK(rank.state.ratio == 1);  // (7 + 20) / 10, at most 1
}

TEST_CASE(
    "SGLang: looks at nothing leave the reserved part as it is, and idleness begins it anew") {
  Rank rank(SchedulerKind::Sglang, 20, 1);
  rank.add(4, 10);
  (void)rank.next();
  rank.state.ratio = 0.3;
  remove(rank.state, *rank.sequences[0]);
  (void)rank.next();
  CHECK(rank.state.ratio == 0.3);
  (void)plan(rank.rules, rank.state, {.idle = true});
  CHECK(rank.state.ratio == 0.7);
}

TEST_CASE("SGLang: the wasted pass of one that has ended takes no block that another needs") {
  // 17 tokens. Both read 8 and have a token; A, which has ended, is in the next pass, too: its 9th
  // token is nobody's, and B has the last block.
  Rank rank(SchedulerKind::Sglang, 17, 1);
  rank.rules.late = true;
  rank.add(8, 1);
  (void)rank.next();
  rank.add(8, 5);
  rank.state.ratio = 0;
  rank.sequences[1]->limit = 1;  // so that it is admitted
  CHECK(ids(rank.next()) == Ids{1});
  rank.sequences[1]->limit = 5;
  CHECK(rank.state.pool.free() == 1);
  CHECK(ids(rank.next()) == Ids{0, 1});
  CHECK(rank.state.pool.free() == 0);
  CHECK(rank.sequences[0]->held.count == 8);
  CHECK(rank.sequences[1]->held.count == 9);
}

TEST_CASE("SGLang: one prompt at a time is cut, and mixed batches decode beside it") {
  Rank rank(SchedulerKind::Sglang, 1000, 1);
  rank.rules.chunk = 30;
  rank.rules.mixed = true;
  rank.add(10, 50);
  rank.add(45, 50);
  rank.add(5, 50);
  BatchPlan plan = rank.next();
  CHECK(ids(plan) == Ids{0, 1});  // 10 and 20 of 45
  CHECK(rank.state.chunked == rank.sequences[1].get());
  plan = rank.next();
  CHECK(ids(plan) == Ids{1, 2, 0});  // the last 25, the next 5, and a decode
  CHECK(plan.decodes == 1);
  CHECK(plan.prompt_tokens() == 30);
  CHECK(rank.state.chunked == nullptr);
}

TEST_CASE("SGLang: the longest cached prefix first, where it is asked for") {
  Rank rank(SchedulerKind::Sglang, 1000, 1);
  rank.rules.order = RequestOrder::LongestPrefix;
  rank.rules.chunk = 6;
  Sequence& known = rank.add(6, 1);
  known.names = block_names({{7, 6}}, 6, 1);
  (void)rank.next();
  remove(rank.state, known);
  rank.add(6, 1);
  Sequence& again = rank.add(8, 1);
  again.names = block_names({{7, 6}, {8, 2}}, 8, 1);
  CHECK(ids(rank.next()) == Ids{2, 1});
  CHECK(again.cached == 6);
}

TEST_CASE("TensorRT-LLM: a prompt that does not fit the rest of the iteration ends it") {
  Rank rank(SchedulerKind::Trtllm, 1000, 16);
  rank.rules.tokens = 64;
  rank.rules.chunked = false;
  rank.add(50, 5);
  rank.add(20, 5);
  rank.add(10, 5);
  CHECK(ids(rank.next()) == Ids{0});
  CHECK(ids(rank.next()) == Ids{0, 1, 2});
}

TEST_CASE("what is given to a sequence ends with its limit") {
  for (const auto kind : {SchedulerKind::Vllm, SchedulerKind::Sglang, SchedulerKind::Trtllm}) {
    Rank rank(kind, 1000, 16);
    rank.add(5, 2);
    CHECK(ids(rank.next()) == Ids{0});
    CHECK(ids(rank.next()) == Ids{0});
    CHECK(rank.next().empty());  // its second token may be on its way: there is no third
  }
}

TEST_CASE("what could never be served is told") {
  SchedulerRules rules;
  CHECK(never_served(rules, 4, 16, 60, 5).empty());  // the 65th token's keys are never needed
  CHECK(never_served(rules, 4, 16, 60, 6) ==
        "60 tokens in and 6 out need 5 blocks of 16 tokens, the cache has 4");
  rules.chunked = false;
  rules.tokens = 63;
  CHECK(never_served(rules, 100, 16, 60, 4).empty());
  CHECK(never_served(rules, 100, 16, 60, 5) ==
        "prompts are not cut, and 64 tokens are more than the 63 of an iteration");
  rules.kind = SchedulerKind::Trtllm;  // never reads anything again
  CHECK(never_served(rules, 100, 16, 63, 50).empty());
  CHECK_FALSE(never_served(rules, 100, 16, 64, 50).empty());
  // Where caches come from elsewhere it reads none, but for those that it would read again.
  CHECK(never_served(rules, 100, 16, 64, 50, false).empty());
  CHECK_FALSE(never_served(rules, 7, 16, 64, 50, false).empty());  // 113 tokens: 8 blocks
  rules.admission = moesim::workloads::Admission::MaxUtilization;
  CHECK_FALSE(never_served(rules, 100, 16, 14, 51, false).empty());  // 64 tokens
  CHECK(never_served(rules, 100, 16, 14, 50, false).empty());
}
