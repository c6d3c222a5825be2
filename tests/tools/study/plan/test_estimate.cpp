#include "tools/study/plan/estimate.h"

#include <doctest/doctest.h>

#include <vector>

using namespace moesim::tools;
using doctest::Approx;

namespace {

// 1 ms and 10 us a sequence, in milliseconds.
double line(double batch) {
  return 1 + 0.01 * batch;
}

}  // namespace

TEST_CASE("the largest batch within a time, of a cost that is a line") {
  // 1 + 0.01 b = 3: b = 200.
  const LargestBatch found = largest_batch(1000, 3, line);
  CHECK(found.batch == Approx(200));
  CHECK(found.time == Approx(3));
  // All of them meet 20.
  CHECK(largest_batch(1000, 20, line).batch == 1000);
  CHECK(largest_batch(1000.7, 11, line).batch == 1000);
  CHECK(largest_batch(1000, 11, line).time == Approx(11));
  // Not even one meets 1: one takes 1.01.
  const LargestBatch none = largest_batch(1000, 1, line);
  CHECK(none.batch == 0);
  CHECK(none.least_time == Approx(1.01));
  CHECK(largest_batch(0.5, 3, line).batch == 0);
}

TEST_CASE("a batch is found with few questions, whatever the curve") {
  // 1 + b^2 / 10,000 = 2: b = 100. Between two ends that differ by half at most the line is off by
  // less than 5 %.
  int asked = 0;
  const LargestBatch found = largest_batch(4096, 2, [&](double b) {
    ++asked;
    return 1 + b * b / 10000;
  });
  CHECK(found.batch == Approx(100).epsilon(0.05));
  CHECK(asked <= 9);
  // Two sequences: one meets, two do not.
  CHECK(largest_batch(2, 1.5, [](double b) { return b; }).batch == Approx(1.5));
}

TEST_CASE("the fullest of several ranks has more than the mean of what comes at random") {
  CHECK(fullest_of(1, 1) == Approx(1));
  // Two to two ranks: P(N > 0) + P(N > 2) + P(N > 4) + ... of a Poisson number of mean 2:
  // 0.8647 + 0.3233 + 0.0527 + 0.0045 + 0.0002.
  CHECK(fullest_of(1, 2) == Approx(1.2454).epsilon(1e-3));
  // Few: as good as whether there is one, 1 - exp(-8 x 0.001).
  CHECK(fullest_of(0.001, 8) == Approx(0.00797).epsilon(2e-3));
  CHECK(fullest_of(0, 8) == 0);
  // Very many.
  CHECK(fullest_of(1000, 8) == 1000.5);
}
