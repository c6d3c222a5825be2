#include <doctest/doctest.h>

#include <concepts>

#include "sim/units.h"
#include "sim/units_text.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

namespace {
template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};
}  // namespace

static_assert(Addable<Time, Duration>);
static_assert(!Addable<Time, Time>);
static_assert(!Addable<Bytes, Flops>);
static_assert(!Addable<Bytes, std::int64_t>);

TEST_CASE("an amount over a rate is a time, exact where it can be") {
  // 400 Gbit/s is 50 GB/s; 1 GB takes 1/50 s.
  CHECK(1_GB / 400_Gbps == Duration{20ms});
  // 7 MB at 7 GB/s: 7e6 / 7e9 s = 1 ms, though 7e6/7e9 is no binary fraction.
  CHECK(7_MB / 7_GBps == Duration{1ms});
  CHECK(989_GFLOP / 989_TFLOPS == Duration{1ms});
}

TEST_CASE("a time that is no whole picosecond is rounded up") {
  // 1 B at 3 TB/s is a third of a picosecond; 10 B are 3.33 ps.
  CHECK(1_B / 3_TBps == 1_ps);
  CHECK(10_B / 3_TBps == 4_ps);
}

TEST_CASE("at a rate of zero nothing is done at once and the rest never") {
  CHECK(0_B / Bandwidth{} == Duration{});
  CHECK(1_B / Bandwidth{} == kForever);
}

TEST_CASE("units are read as they are written") {
  CHECK(parse_bytes("80 GiB") == 80_GiB);
  CHECK(parse_bytes("1.5 kB") == 1500_B);
  CHECK(parse_bytes("80GB") == 80_GB);
  CHECK(parse_bandwidth("400 Gbit/s") == 50_GBps);
  CHECK(parse_bandwidth("3.35 TB/s")->bytes_per_second() == doctest::Approx(3.35e12));
  CHECK(parse_flop_rate("989 TFLOP/s") == 989_TFLOPS);
  CHECK(parse_duration("1.5 us") == 1500000_ps);
  CHECK(parse_duration("0.1 us") == 100000_ps);
}

TEST_CASE("a number without its unit, or with another's, is not read") {
  for (const char* text : {"80", "80 gib", "80 GiB/s", "GiB", "", "-1 GiB", "1e400 GB", "nan GB",
                           "80  GiB", "80 GiB ", "10000000 PB"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_bytes(text));
  }
  CHECK_FALSE(parse_bandwidth("400 GB"));
  CHECK_FALSE(parse_duration("3 m"));
}

TEST_CASE("quantities are printed with four digits in the unit that suits") {
  CHECK(to_text(63'963'000'000_B) == "63.96 GB");
  CHECK(to_text(999'960_B) == "1 MB");
  CHECK(to_text(0_B) == "0 B");
  CHECK(to_text(Duration{1175us}) == "1.175 ms");
  CHECK(to_text(1_ps) == "1 ps");
  CHECK(to_text(kForever) == "forever");
  CHECK(to_text(400_Gbps) == "50 GB/s");
  CHECK(to_text(989_TFLOPS) == "989 TFLOP/s");
}
