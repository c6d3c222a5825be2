// What an iteration costs on a real model.
#include "workloads/serving/step_cost.h"

#include <doctest/doctest.h>

#include <vector>

#include "workloads/scenario.h"
#include "workloads/serving/service.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::workloads::serving;

namespace {

BatchPlan decoding_plan(std::int64_t sequences, std::int64_t context) {
  BatchPlan plan;
  plan.decodes = sequences;
  plan.keys = sequences * context;
  plan.longest = context;
  return plan;
}

BatchPlan reading_plan(std::int64_t tokens, std::int64_t before) {
  BatchPlan plan;
  plan.chunks = {{.tokens = tokens, .before = before}};
  return plan;
}

}  // namespace

TEST_CASE("rows that fill a graph up are in the kernels of the decodes that they are beside") {
  BatchPlan plan = decoding_plan(6, 1000);
  plan.padding = 2;
  // (6 x 1000 + 2 x 1) / 8 = 750.25 keys each.
  const Batch padded = batch_of(std::vector{plan}, 0);
  CHECK(padded.ranks[0] == RankBatch{decoding(8, 750)});
  // To the nearest: (5 x 7 + 1) / 6 = 6 exactly, (5 x 7 + 3) / 8 = 4.75.
  plan = decoding_plan(5, 7);
  plan.padding = 1;
  CHECK(batch_of(std::vector{plan}, 0).ranks[0] == RankBatch{decoding(6, 6)});
  plan.padding = 3;
  CHECK(batch_of(std::vector{plan}, 0).ranks[0] == RankBatch{decoding(8, 5)});
  // A rank that only runs along has a row of one key; a draft's passes have none.
  BatchPlan dummy;
  dummy.dummy = true;
  CHECK(batch_of(std::vector{dummy}, 0).ranks[0] == RankBatch{decoding(1, 1)});
  CHECK(batch_of(std::vector{dummy}, 1).ranks[0].empty());
  // Beside prompts, as well.
  plan.chunks = {{.tokens = 16, .before = 4}};
  CHECK(batch_of(std::vector{plan}, 0).ranks[0] == RankBatch{decoding(8, 5), prompts(1, 16, 4)});
}

TEST_CASE("an iteration of more tokens, or of longer contexts, costs no less") {
  // The mean draw: one draw's experts may be fuller than another's. Measured tables go down here
  // and there where a kernel changes (serving.md, section 3: 65 tokens a rank against 64): no more
  // than 2 % of an iteration.
  constexpr double kKernelChange = 0.98;
  for (const char* name : {"mixtral-8x7b-serving-h100", "qwen3-235b-serving-h200"}) {
    CAPTURE(name);
    const Scenario s = load_scenario("configs/scenarios/" + std::string(name) + ".yaml",
                                     {"serving.iteration.draws=2"}, {.engines = "configs/engines"});
    Service service(s.deployment, *s.serving());
    service.cost().set_mode({.mean = true});
    const auto ranks = static_cast<std::size_t>(s.serving()->pool.layout.dp);
    const auto us = [&](const BatchPlan& plan) {
      return sim::to_us(service.cost().of(std::vector<BatchPlan>(ranks, plan), 0));
    };
    const std::vector<std::int64_t> contexts{64, 500, 512, 1000, 4000, 16000};
    for (const std::int64_t context : contexts) {
      CAPTURE(context);
      double before = 0;
      for (const std::int64_t sequences : {1, 2, 3, 8, 9, 32, 64, 65, 128, 200, 256}) {
        CAPTURE(sequences);
        const double now = us(decoding_plan(sequences, context));
        CHECK(now >= kKernelChange * before);
        before = now;
      }
    }
    for (const std::int64_t sequences : {1, 16, 100}) {
      CAPTURE(sequences);
      double before = 0;
      for (const std::int64_t context : contexts) {
        CAPTURE(context);
        const double now = us(decoding_plan(sequences, context));
        CHECK(now >= before);  // attention alone
        before = now;
      }
    }
    double before = 0;
    for (const std::int64_t tokens : {1, 16, 100, 128, 129, 500, 1024, 2048}) {
      CAPTURE(tokens);
      const double now = us(reading_plan(tokens, 0));
      CHECK(now >= kKernelChange * before);
      before = now;
      CHECK(us(reading_plan(tokens, 4000)) >= now);
    }
  }
}
