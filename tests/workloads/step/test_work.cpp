#include <doctest/doctest.h>

#include "sim/error.h"
#include "workloads/step/work.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

hardware::KernelCost cost(std::int64_t ps, const hardware::ModelUse& use,
                          std::uint32_t outside = 0) {
  return {
      .time = sim::Duration(ps),
      .flops = {},
      .bytes = {},
      .trust = {.p10 = 0.9, .p90 = 1.2, .low = 0.8, .high = 1.5, .use = &use, .outside = outside}};
}

}  // namespace

TEST_CASE("work keeps who priced which part of it, and for which reason it is doubted") {
  const hardware::ModelUse own{.kind = "gemm", .asked = "trtllm bf16", .used = "trtllm bf16"};
  const hardware::ModelUse other{.kind = "moe", .asked = "vllm bf16", .used = "sglang bf16"};
  Work a, b;
  a += cost(100, own);
  a += cost(50, own, 2);
  a += cost(10, own);
  b += cost(30, other);
  b += cost(5, own);
  a += b;
  CHECK(a.time == sim::Duration(195));
  REQUIRE(a.priced.size() == 3);
  CHECK(a.priced[0].use == &own);
  CHECK(a.priced[0].time == sim::Duration(115));
  CHECK(a.priced[1].outside == 2);
  CHECK(a.priced[1].time == sim::Duration(50));
  CHECK(a.priced[2].use == &other);
  CHECK(a.priced[2].time == sim::Duration(30));
  // Beyond the fit's range, and by a stand-in.
  CHECK(a.extrapolated() == sim::Duration(80));
}

TEST_CASE("a kernel's own percentiles are what is added up") {
  const hardware::ModelUse use{.kind = "gemm"};
  Work work;
  work += cost(1000, use);
  work += cost(3000, use);
  CHECK(work.p10_ps == doctest::Approx(0.9 * 4000));
  CHECK(work.p90_ps == doctest::Approx(1.2 * 4000));
  CHECK(work.low_ps == doctest::Approx(0.8 * 4000));
  CHECK(work.high_ps == doctest::Approx(1.5 * 4000));
}

TEST_CASE("work that the clock cannot hold is refused, and does not turn negative") {
  const hardware::ModelUse use{.kind = "gemm"};
  const std::int64_t most = sim::kForever.count();
  Work half, more;
  half += cost(most / 2, use);
  more += cost(most / 2, use);
  more += cost(1, use);
  // Two halves and one are 2^63 - 1, kForever itself; one less is the longest that there is.
  CHECK_THROWS_AS(Work(half) += more, sim::InfeasibleError);
  CHECK((Work(half) += half).time == sim::Duration(most - 1));
  CHECK_THROWS_AS(Work(half) += cost(most, use), sim::InfeasibleError);
  Work thrice;
  CHECK_THROWS_AS(thrice.add(half, 3), sim::InfeasibleError);
  Work many;
  many += cost(most / 8, use);
  Work seven;
  seven.add(many, 7);
  CHECK(seven.time == sim::Duration(most / 8 * 7));
  const hardware::PricedExchange exchange{
      .exchange = {}, .alone = sim::Duration(most / 4), .trust = {.use = &use}};
  Work ranks;
  CHECK_THROWS_AS(ranks.add(exchange, 5), sim::InfeasibleError);
}
