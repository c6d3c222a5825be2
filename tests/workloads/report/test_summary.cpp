// How far a step's time may be off, where the errors of one cost model are common.
#include "workloads/report/summary.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace moesim;
using namespace moesim::workloads;
using doctest::Approx;

TEST_CASE("errors of one cost model add up over its phases, those of several as squares") {
  StepOutcome step;
  step.time = std::chrono::microseconds(100);
  step.times.ranks.resize(1);
  Report report;
  report.step_time_us.mean = 100;
  const auto phase = [&](Phase of, double exposed, double low, double high) {
    report.phases[index_of(of)].exposed_us = exposed;
    Work& work = step.account.work[index_of(of)];
    work.time = std::chrono::microseconds(1000);
    work.p10_ps = 1e9 * low / exposed;
    work.p90_ps = 1e9 * high / exposed;
  };
  // Products: 1 + 2 less, 2 + 3 more. Experts: 4 less, 12 more. Of 100: sqrt(9 + 16) = 5 less,
  // sqrt(25 + 144) = 13 more.
  phase(Phase::Router, 10, 9, 12);
  phase(Phase::Head, 20, 18, 23);
  phase(Phase::Experts, 30, 26, 42);
  Summary summary;
  summary.add(step, 1);
  const Summary::Ends ends = summary.common_ends(report);
  CHECK(ends.low == Approx(0.95));
  CHECK(ends.high == Approx(1.13));
  // The host takes half to twice its time, whatever anything says: 8 us are 4 to 16. Exchanges are
  // of one model: 2 and 1 less. sqrt(25 + 16 + 9) and sqrt(169 + 64).
  report.phases[index_of(Phase::Host)].exposed_us = 8;
  phase(Phase::Dispatch, 5, 3, 5);
  phase(Phase::Combine, 5, 4, 5);
  Summary all;
  all.add(step, 1);
  CHECK(all.common_ends(report).low == Approx(1 - 0.01 * std::sqrt(50.0)));
  CHECK(all.common_ends(report).high == Approx(1 + 0.01 * std::sqrt(233.0)));
}
