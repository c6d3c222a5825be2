#include "tools/study/break_even.h"

#include <doctest/doctest.h>

#include <set>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using tools::break_even;
using tools::BreakEven;
using tools::BreakEvenRange;
using tools::read_break_even_range;

TEST_CASE("two lines cross where they are equal, to one percent") {
  // 100 + 2 x and 3 x are equal at 100.
  const BreakEvenRange range{.key = "x", .low = 1, .high = 1000};
  const BreakEven found = break_even(range, [](double x) { return 3 * x > 100 + 2 * x; });
  CHECK_FALSE(found.holds_at_low);
  CHECK(found.holds_at_high);
  REQUIRE(found.crossings.size() == 1);
  CHECK(found.crossings[0].before <= 100);
  CHECK(found.crossings[0].after > 100);
  CHECK(found.crossings[0].after <= 1.01 * found.crossings[0].before);
  CHECK(found.crossings[0].holds_after);
  CHECK(break_even(range, [](double) { return true; }).crossings.empty());
}

TEST_CASE("a condition that ceases to hold again crosses twice") {
  // (x - 10) (x - 200) < 0 between 10 and 200.
  const BreakEven found = break_even({.key = "x", .low = 1, .high = 1000},
                                     [](double x) { return (x - 10) * (x - 200) < 0; });
  REQUIRE(found.crossings.size() == 2);
  CHECK(found.crossings[0].before == doctest::Approx(10).epsilon(0.01));
  CHECK(found.crossings[0].holds_after);
  CHECK(found.crossings[1].before == doctest::Approx(200).epsilon(0.01));
  CHECK_FALSE(found.crossings[1].holds_after);
}

TEST_CASE("of whole numbers the first that holds is found, and none is asked twice") {
  std::set<double> asked;
  const BreakEven found =
      break_even({.key = "x", .low = 1, .high = 300, .whole = true}, [&](double x) {
        CHECK(asked.insert(x).second);
        CHECK(x == static_cast<double>(static_cast<int>(x)));
        return x >= 77;
      });
  REQUIRE(found.crossings.size() == 1);
  CHECK(found.crossings[0].before == 76);
  CHECK(found.crossings[0].after == 77);
  CHECK(asked.size() < 28);
}

TEST_CASE("of whole numbers those that have an answer are asked, between whom it changes") {
  // Multiples of 8 from 10 on: 16 is the first; 72 is below 77, 80 is not.
  const BreakEvenRange range{.key = "x", .low = 10, .high = 250, .whole = true};
  std::set<double> asked;
  const BreakEven found = break_even(range, [&](double x) -> std::optional<bool> {
    CHECK(asked.insert(x).second);
    CHECK(x >= 10);
    CHECK(x <= 250);
    if (static_cast<int>(x) % 8 != 0) return {};
    return x >= 77;
  });
  CHECK_FALSE(found.holds_at_low);
  CHECK(found.holds_at_high);
  REQUIRE(found.crossings.size() == 1);
  CHECK(found.crossings[0].before == 72);
  CHECK(found.crossings[0].after == 80);
  // Where none has one, or the first number that is no whole one has none, that is told.
  const std::string none = "x: neither 10 nor a value near it can be asked";
  const auto nothing = [](double) { return std::optional<bool>(); };
  CHECK(tests::thrown<sim::ConfigError>([&] { (void)break_even(range, nothing); }) == none);
  CHECK(tests::thrown<sim::ConfigError>(
            [&] { (void)break_even({.key = "x", .low = 10, .high = 20}, nothing); }) == none);
}

TEST_CASE("a range has a key, two ends and one unit") {
  const auto range =
      read_break_even_range("cluster.scale_out.bandwidth=100..3200 Gbit/s", "--over");
  CHECK(range.key == "cluster.scale_out.bandwidth");
  CHECK(range.low == 100);
  CHECK(range.high == 3200);
  CHECK_FALSE(range.whole);
  CHECK(tools::text_of(range, 612.5) == "612.5 Gbit/s");
  const auto whole = read_break_even_range("step.batch_per_rank=1..512", "--over");
  CHECK(whole.whole);
  CHECK(tools::text_of(whole, 77) == "77");
  for (const char* text : {"x", "x=5", "x=5..2", "x=0..2", "=1..2", "x=1 s..2 ms", "x=a..b"}) {
    CHECK(
        moesim::tests::thrown<sim::ConfigError>(
            [&] { (void)read_break_even_range(text, "--over"); }) ==
        std::string("--over: expected KEY=LOW..HIGH above 0, the lower first, in one unit, such as "
                    "cluster.scale_out.bandwidth=100 Gbit/s..3200 Gbit/s, not \"") +
            text + "\"");
  }
}
