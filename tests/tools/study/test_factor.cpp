#include "tools/study/factor.h"

#include <doctest/doctest.h>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::tools;

TEST_CASE("a factor lies between two ends, even, in the logarithm, or in whole numbers") {
  const Factor even = read_factor("cluster.scale_out.bandwidth=100..400 Gbit/s", "--over");
  CHECK(even.key == "cluster.scale_out.bandwidth");
  CHECK(value_at(even, 0) == "100 Gbit/s");
  CHECK(value_at(even, 0.5) == "250 Gbit/s");
  CHECK(value_at(even, 1) == "400 Gbit/s");
  CHECK(value_at(read_factor("a=0..0.5", ""), 0.5) == "0.25");
  // The middle of 100 and 400 in the logarithm is 200.
  CHECK(value_at(read_factor("a=100..400~", ""), 0.5) == "200");
  // Each of 1, 2, 3, 4 has a quarter.
  const Factor whole = read_factor("a=1..4", "");
  CHECK(value_at(whole, 0) == "1");
  CHECK(value_at(whole, 0.249) == "1");
  CHECK(value_at(whole, 0.25) == "2");
  CHECK(value_at(whole, 0.75) == "4");
  CHECK(value_at(whole, 1) == "4");
}

TEST_CASE("a factor takes values one by one, or as an axis has them") {
  const Factor list = read_factor("placement.experts=linear,eplb", "--over");
  CHECK(value_at(list, 0.49) == "linear");
  CHECK(value_at(list, 0.5) == "eplb");
  CHECK(value_at(list, 1) == "eplb");
  CHECK(read_factor("a=1..8*2", "").values == std::vector<std::string>{"1", "2", "4", "8"});
}

TEST_CASE("what is no factor is told") {
  for (const std::string text : {"a", "=1..2", "a=2..1", "a=7", "a=0..1~", "a=1 GB/s..2 Gbit/s"}) {
    CAPTURE(text);
    CHECK(tests::thrown<sim::ConfigError>([&] { (void)read_factor(text, "--over"); }) ==
          "--over: expected KEY=LOW..HIGH in one unit, the lower first (LOW..HIGH~: even in the "
          "logarithm, above 0), or KEY=VALUE,VALUE, such as "
          "cluster.scale_out.bandwidth=100 Gbit/s..400 Gbit/s, not \"" +
              text + "\"");
  }
}
