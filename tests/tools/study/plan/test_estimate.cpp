#include "tools/study/plan/estimate.h"

#include <doctest/doctest.h>

using namespace moesim;
using doctest::Approx;
using tools::Estimate;
using workloads::serving::CachePlan;
using workloads::serving::ServingQuestion;

namespace {

workloads::Deployment mixtral() {
  workloads::Deployment d;
  d.model = workloads::load_model("configs/models/mixtral-8x7b.yaml");
  d.cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  d.network.fidelity = hardware::Fidelity::Bound;
  d.layout = {.dp = 8, .ep = 8};
  d.routing.law = workloads::Law::Balanced;
  return d;
}

// 2,000 tokens in and 200 out, under vLLM's rules.
ServingQuestion question() {
  workloads::serving::RequestLaws laws;
  laws.input = workloads::serving::constant_length(2000);
  laws.output = workloads::serving::constant_length(200);
  ServingQuestion q;
  q.requests = laws;
  q.pool.layout = mixtral().layout;
  return q;
}

// Room for 1,000 sequences of 2,100 tokens a dp rank.
const CachePlan kCache{.blocks = 2'100'000, .block = 1};

}  // namespace

TEST_CASE("an engine that reads too slowly generates what others have read") {
  const workloads::Deployment d = mixtral();
  ServingQuestion q = question();
  q.targets.ttft = sim::Duration(1);  // nothing reads in a picosecond
  q.targets.tpot = sim::Duration(50'000'000'000);
  CHECK(tools::estimate_service(d, q, kCache).capacity == 0);
  CHECK(tools::estimate_reader(d, q, kCache).capacity == 0);
  const Estimate generates = tools::estimate_generator(d, q, kCache, 0);
  // b sequences of 8 ranks, 200 tokens each, one in 50 ms.
  CHECK(generates.token_s == Approx(0.05));
  CHECK(generates.capacity == Approx(generates.batch * 8 / 200 / 0.05));
}

TEST_CASE("of a whole request's time a generator has what reading leaves") {
  const workloads::Deployment d = mixtral();
  ServingQuestion q = question();
  q.targets.e2el = sim::Duration(6'000'000'000'000);
  // (6 - 0.03) / 199 = 30 ms for each token but the first, or (6 - 2.02) / 199 = 20 ms.
  CHECK(tools::estimate_generator(d, q, kCache, 0.03).token_s == Approx(0.03));
  CHECK(tools::estimate_generator(d, q, kCache, 2.02).token_s == Approx(0.02));
  CHECK(tools::estimate_generator(d, q, kCache, 6).capacity == 0);
}
