#include "workloads/serving/saturation.h"

#include <doctest/doctest.h>

#include "sim/error.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::workloads::serving;
using doctest::Approx;

namespace {

// 100 tokens of its own behind 400 of one of five beginnings; 400 tokens out.
ServingQuestion question() {
  RequestLaws laws;
  laws.input = constant_length(100);
  laws.output = constant_length(400);
  laws.prefixes = {.groups = 5, .tokens = 400};
  ServingQuestion q;
  q.requests = laws;
  return q;
}

}  // namespace

TEST_CASE("what prompts begin with alike is held and read once") {
  const CachePlan cache{.blocks = 26'637, .block = 16};  // 426,192 tokens
  ServingQuestion q = question();
  CHECK(read_input(q, q.pool) == 100);
  // Less 5 x 400 once; half-way through the output each has 100 + 200 of its own.
  CHECK(held_sequences(q, q.pool, cache, 0.5) == Approx((426'192 - 2'000) / 300.0));
  CHECK(held_sequences(q, q.pool, cache, 1) == Approx((426'192 - 2'000) / 500.0));
  q.pool.scheduler.prefix_cache = false;
  CHECK(read_input(q, q.pool) == 500);
  CHECK(held_sequences(q, q.pool, cache, 0.5) == Approx(426'192 / 700.0));
}

TEST_CASE("blocks are of the card and the model, whatever requests are long") {
  Deployment d;
  d.model = load_model("configs/models/mixtral-8x7b.yaml");
  d.cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  d.layout = {.tp = 2, .etp = 2};
  Pool pool;
  pool.layout = d.layout;
  pool.cache.block = 16;
  const CachePlan plan = plan_cache(d, pool, 2'000);
  // Of 17.5 tokens the second block is nearly empty: it is a block.
  CHECK(plan_cache(d, pool, 17.5).blocks == plan.blocks);
  CHECK(plan_cache(d, pool, 1).blocks == plan.blocks);
  // 8 key heads of 128, two ranks: 2 x 4 x 128 x 2 bytes in each of 32 layers, 65,536 a token.
  CHECK(plan.bytes_per_token == 65'536);
  pool.cache.blocks = 2 * plan.blocks;
  CHECK_THROWS_AS(plan_cache(d, pool, 2'000), sim::InfeasibleError);
  pool.cache.blocks = plan.blocks / 2;
  CHECK(plan_cache(d, pool, 2'000).memory.gpu().kv_cache == plan.blocks / 2 * 16 * 65'536);
}
