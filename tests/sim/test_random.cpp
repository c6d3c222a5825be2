#include <doctest/doctest.h>

#include <array>
#include <cmath>

#include "sim/random.h"

using moesim::sim::Random;

TEST_CASE("a stream is the same every time, and another for another name or seed") {
  Random a(1, "routing"), b(1, "routing"), c(1, "arrivals"), d(2, "routing");
  const auto first = a.bits();
  CHECK(b.bits() == first);
  CHECK(c.bits() != first);
  CHECK(d.bits() != first);
}

TEST_CASE("the first draw of a stream never changes") {
  // Golden: every result that draws rests on it.
  CHECK(Random(1, "golden").bits() == 9709107005921033180u);
}

TEST_CASE("whole numbers below n are equally likely") {
  // 60,000 throws of a die: each face 10,000 with a standard deviation of sqrt(60000 * 5) / 6 = 91.
  Random random(7, "die");
  std::array<int, 6> faces{};
  for (int i = 0; i < 60000; ++i) ++faces[random.below(6)];
  for (const int count : faces) CHECK(count == doctest::Approx(10000).epsilon(0.04));
}

TEST_CASE("normal numbers have mean 0 and variance 1, exponential ones their mean") {
  // 100,000 draws: the mean of the normal is within 4 / sqrt(100000) = 0.013.
  Random random(7, "moments");
  double sum = 0, squares = 0, waits = 0;
  constexpr int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    waits += random.exponential(3);
  }
  CHECK(std::abs(sum / n) < 0.013);
  CHECK(squares / n == doctest::Approx(1).epsilon(0.02));
  CHECK(waits / n == doctest::Approx(3).epsilon(0.02));
}
