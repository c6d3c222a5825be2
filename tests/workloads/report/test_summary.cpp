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

TEST_CASE("a step's interval has what steps are off by beside its cost models, as services' have") {
  // Models: a tenth more and less, so ln 1.1 = 0.0953 up and -ln 0.9 = 0.1054 down; the structure's
  // 80 % are 1.2816 x 0.06 = 0.0769. sqrt(0.0953^2 + 0.0769^2) = 0.1225, sqrt(0.1054^2 + 0.0769^2)
  // = 0.1304.
  StepOutcome step;
  step.time = std::chrono::microseconds(100);
  step.times.ranks.resize(1);
  step.times.places.resize(kPhases);
  step.times.places[index_of(Phase::Experts)].exposed = std::chrono::microseconds(100);
  Work& experts = step.account.work[index_of(Phase::Experts)];
  experts.time = std::chrono::microseconds(1000);
  experts.p10_ps = 9e8;
  experts.p90_ps = 1.1e9;
  Summary summary;
  summary.add(step, 1);
  Report report;
  report.gpus = 2;
  summary.write({}, report);
  CHECK(report.interval.at("step_time_us").p10 == Approx(100 * std::exp(-0.1304)).epsilon(1e-3));
  CHECK(report.interval.at("step_time_us").p90 == Approx(100 * std::exp(0.1225)).epsilon(1e-3));
  // A token in 100 us by two GPUs: 5,000 a second and GPU.
  CHECK(report.interval.at("tokens_per_s_per_gpu").p10 ==
        Approx(5000 * std::exp(-0.1225)).epsilon(1e-3));
}
