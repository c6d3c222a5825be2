#include <doctest/doctest.h>

#include <vector>

#include "sim/max_min.h"
#include "sim/random.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

TEST_CASE("what one bottleneck leaves over goes to the flow that can use it") {
  // Links A = 10, B = 4. Flows: 1 on A, 2 on A and B, 3 on B.
  // B is tighter: 2 and 3 get 4/2 = 2 each. Flow 1 gets the rest of A: 10 - 2 = 8.
  const std::vector<Bandwidth> capacities{10_GBps, 4_GBps};
  const std::vector<FlowPath> flows{{{0}}, {{0, 1}}, {{1}}};
  const auto rates = max_min_rates(capacities, flows);
  CHECK(rates[0] == 8_GBps);
  CHECK(rates[1] == 2_GBps);
  CHECK(rates[2] == 2_GBps);
}

TEST_CASE("a flow that may not use its share leaves it to the others") {
  // Three flows on 12: shares of 4; one may have 1 only, the others get (12 - 1) / 2.
  const std::vector<Bandwidth> capacities{12_GBps};
  const std::vector<FlowPath> flows{{{0}, 1_GBps}, {{0}}, {{0}}};
  const auto rates = max_min_rates(capacities, flows);
  CHECK(rates[0] == 1_GBps);
  CHECK(rates[1] == 5.5 * 1_GBps);
  CHECK(rates[2] == 5.5 * 1_GBps);
}

TEST_CASE("a chain of links is solved from its tightest link on") {
  // A = 1, B = 3, C = 9; flows on A, on A and B, on B and C, on C.
  // A: 0.5 each. B has 2.5 left for one flow. C has 6.5 left for the last.
  const std::vector<Bandwidth> capacities{1_GBps, 3_GBps, 9_GBps};
  const std::vector<FlowPath> flows{{{0}}, {{0, 1}}, {{1, 2}}, {{2}}};
  const auto rates = max_min_rates(capacities, flows);
  CHECK(rates[0] == 0.5 * 1_GBps);
  CHECK(rates[1] == 0.5 * 1_GBps);
  CHECK(rates[2] == 2.5 * 1_GBps);
  CHECK(rates[3] == 6.5 * 1_GBps);
}

TEST_CASE("a flow without a link has its own limit") {
  const std::vector<FlowPath> flows{{{}, 7_GBps}};
  CHECK(max_min_rates({}, flows)[0] == 7_GBps);
}
