#include "tools/study/model_factor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::tools;

namespace {

// A step of 100 us, of which it waited 40 for products (36 to 46) and 20 for experts, known well.
const Doubt kStep = *Doubt::of(sim::io::Json::parse(R"({
  "step_time_us": {"mean": 100},
  "doubt": {"gemm": {"us": 40, "p10_us": 36, "p90_us": 46},
            "experts": {"us": 20, "p10_us": 20, "p90_us": 20}}})"));

double scale(std::vector<std::string> sets) {
  return kStep.scale(draw_of(sets));
}

}  // namespace

TEST_CASE("a model that takes longer makes the step longer by its part of it") {
  // 1.25 x 40 is 10 us more of 100; half of 20 is 10 less.
  CHECK(scale({"factor.gemm=1.25"}) == doctest::Approx(1.1));
  CHECK(scale({"factor.experts=0.5"}) == doctest::Approx(0.9));
  CHECK(scale({"factor.gemm=1.25", "factor.experts=0.5"}) == doctest::Approx(1.0));
  CHECK(scale({"factor.attention=3"}) == 1);  // which this step has not
  CHECK(scale({"factor.structure=1.07"}) == doctest::Approx(1.07));
}

TEST_CASE("a model alone goes from the tenth percentile of what it is off by to the ninetieth") {
  const Factor gemm = read_factor("factor.gemm", "--over");
  CHECK(gemm.key == "factor.gemm");
  const auto at = [&](const Factor& f, double u) { return scale({f.key + "=" + value_at(f, u)}); };
  CHECK(at(gemm, 0) == doctest::Approx(0.96));
  CHECK(at(gemm, 0.5) == doctest::Approx(1));
  CHECK(at(gemm, 1) == doctest::Approx(1.06));
  // 6 % is a standard deviation of what is in no model.
  const Factor structure = read_factor("factor.structure", "--over");
  CHECK(at(structure, 1) == doctest::Approx(std::exp(0.06 * 1.28155)));
  // Or as many times as are asked.
  const Factor range = read_factor("factor.gemm=0.5..2~", "--over");
  CHECK(at(range, 0) == doctest::Approx(0.8));
  CHECK(at(range, 0.5) == doctest::Approx(1));
  CHECK(at(range, 1) == doctest::Approx(1.4));
  CHECK(at(read_factor("factor.gemm=1,2", "--over"), 1) == doctest::Approx(1.4));
}

TEST_CASE("what is no cost model, or no time, is told") {
  CHECK(tests::thrown<sim::ConfigError>([] { read_factor("factor.gem", "--over"); }) ==
        "--over: there is no cost model \"gem\": expected factor.gemm, factor.experts, "
        "factor.attention, factor.all_to_all, factor.collectives, factor.host or factor.structure");
  CHECK(tests::thrown<sim::ConfigError>([] { read_factor("factor.gemm=0..2", "--over"); }) ==
        "--over: factor.gemm: expected numbers above 0, of which 1 is what the model says, not "
        "\"0..2\"");
  CHECK(tests::thrown<sim::ConfigError>([] { read_factor("factor.host=1..2 GB/s", "--over"); }) ==
        "--over: factor.host: expected numbers above 0, of which 1 is what the model says, not "
        "\"1..2 GB/s\"");
}
