#include "workloads/routing/statistics/law_fit.h"

#include <doctest/doctest.h>

#include "tests/workloads/routing/trace_files.h"
#include "workloads/routing/trace/synthetic.h"

using namespace moesim::workloads;
using moesim::tests::Folder;

TEST_CASE("the law that made a trace is the one that fits it") {
  const Folder folder;
  for (const auto& made : {std::pair{Law::Zipf, 0.7}, {Law::LogNormal, 0.6}}) {
    const Law law = made.first;
    const double skew = made.second;
    CAPTURE(name_of(law));
    write_synthetic_trace(
        folder / "t.h5", {.law = {.law = law, .skew = skew, .layers = 8, .experts = 64, .top_k = 4},
                          .requests = 64,
                          .tokens_per_request = 256});
    const auto trace = RoutingTrace::open(folder / "t.h5");
    const auto fits = fit_laws(read_loads(trace, 0, trace.info().tokens), 4, 64 * 256);
    CHECK(fits[0].law == law);
    CHECK(fits[0].skew == doctest::Approx(skew).epsilon(0.1));
    CHECK(fits[0].explained > 0.85);  // 8 layers of 64 draws: the extremes of each differ
  }
}

TEST_CASE("expected loads have a mean of 1 and the law's greatest") {
  // Zipf, skew 1, 4 experts, top-1: 1 1/2 1/3 1/4 of a sum of 25/12: 4 x 12/25 = 1.92 for the
  // first.
  const auto loads = expected_loads(Law::Zipf, 1, 4, 1, 100);
  CHECK(loads[3] == doctest::Approx(1.92));
  CHECK(loads[0] + loads[1] + loads[2] + loads[3] == doctest::Approx(4));
  // Log-normal: symmetric in the logarithm: the median of three is exp(0) over the mean.
  const auto normal = expected_loads(Law::LogNormal, 1, 3, 1, 100);
  CHECK(normal[0] * normal[2] == doctest::Approx(normal[1] * normal[1]));
}
