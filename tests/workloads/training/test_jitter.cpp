// How late GPUs are: order statistics that a hand knows.
#include "workloads/training/jitter.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace moesim::workloads;
using doctest::Approx;

namespace {

constexpr int kSteps = 4000;

// ln(factor) / kernel of one chunk of one rank, step after step.
std::vector<double> lateness(std::int64_t gpus, double kernel = 0.05, std::uint64_t seed = 7) {
  LateGpus late({.kernel = kernel}, {.gpus = gpus}, seed);
  std::vector<double> list;
  for (int i = 0; i < kSteps; ++i) {
    late.next();
    list.push_back(std::log(late.factor(0, 0, 0)) / kernel);
  }
  return list;
}

double mean(const std::vector<double>& list) {
  return std::accumulate(list.begin(), list.end(), 0.0) / static_cast<double>(list.size());
}

double share_below(const std::vector<double>& list, double limit) {
  double n = 0;
  for (const double x : list) n += x < limit ? 1 : 0;
  return n / static_cast<double>(list.size());
}

}  // namespace

TEST_CASE("a group is as late as the latest of its GPUs") {
  // The mean of the largest of n standard normals: 0 of one; 1 / sqrt(pi) = 0.5642 of two;
  // 3 / (2 sqrt(pi)) = 0.8463 of three; 1.4236 of eight, 2.3437 of 64 (Harter 1961). Their
  // deviations are 1, 0.83, 0.75, 0.61, 0.43: over sqrt(4,000) four times 0.016 at most.
  struct Row {
    std::int64_t gpus;
    double mean;
  };
  for (const Row& row :
       {Row{1, 0}, Row{2, 0.5642}, Row{3, 0.8463}, Row{8, 1.4236}, Row{64, 2.3437}}) {
    CAPTURE(row.gpus);
    CHECK(std::abs(mean(lateness(row.gpus)) - row.mean) < 4 * 0.016);
  }
}

TEST_CASE("quantiles of a group's lateness are those of the largest of n") {
  // P(largest of n < x) = Phi(x)^n. Phi(0) = 1/2: of three GPUs an eighth of steps have none late;
  // Phi(1.2816) = 0.9: of two 0.81 are below. Each within four deviations, 4 sqrt(1/4 / 4,000).
  CHECK(std::abs(share_below(lateness(1), 0) - 0.5) < 0.032);
  CHECK(std::abs(share_below(lateness(3), 0) - 0.125) < 0.032);
  CHECK(std::abs(share_below(lateness(2), 1.2816) - 0.81) < 0.032);
}

TEST_CASE("one sigma has the shape of a job's steps: slow ones are further off than quick ones") {
  // Of 64 GPUs the latest: P(z < x) = Phi(x)^64 is 0.1, 0.5, 0.9 and 0.99 at x
  // = 1.808, 2.298, 2.939 and 3.603. Over the median, with sigma 0.08: exp(-0.08 x 0.490) = -3.8 %,
  // +5.3 %, +11.0 %. Mixtral 8x7B's 4,535 steps on H100 have -2.8, +5.1 and +11.5 % (golden values
  // of Megatron-LM's tests).
  std::vector<double> steps;
  LateGpus late({.kernel = 0.08}, {.gpus = 64}, 11);
  for (int i = 0; i < kSteps; ++i) {
    late.next();
    steps.push_back(late.factor(0, 0, 0));
  }
  const LateSteps l = late_steps_of(steps);
  CHECK(l.p10_us / l.p50_us == Approx(0.961).epsilon(0.004));
  CHECK(l.p90_us / l.p50_us == Approx(1.053).epsilon(0.006));
  CHECK(l.p99_us / l.p50_us == Approx(1.110).epsilon(0.015));
  // And the price of it: the median is exp(0.08 x 2.3) over a GPU's own.
  CHECK(l.p50_us == Approx(1.202).epsilon(0.005));
}

TEST_CASE("each GPU draws a factor for each chunk, and each rank and pipeline has its own GPUs") {
  LateGpus late({.kernel = 0.1}, {.pipelines = 2, .ranks = 2, .gpus = 1, .chunks = 2}, 1);
  late.next();
  std::vector<double> all;
  for (const std::int64_t e : {0, 1})
    for (const std::int64_t r : {0, 1}) {
      for (const std::int64_t c : {0, 1}) all.push_back(late.factor(e, r, c));
      // A woven pass: a third of its kernels forward.
      CHECK(late.factor(e, r, 0, 1) ==
            Approx((late.factor(e, r, 0) + 2 * late.factor(e, r, 1)) / 3));
    }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = i + 1; j < all.size(); ++j) CHECK(all[i] != all[j]);
  // Another step, other factors; the same seed, the same.
  LateGpus same({.kernel = 0.1}, {.pipelines = 2, .ranks = 2, .gpus = 1, .chunks = 2}, 1);
  same.next();
  CHECK(same.factor(1, 1, 1) == all.back());
  late.next();
  CHECK(late.factor(1, 1, 1) != all.back());
  LateGpus other({.kernel = 0.1}, {.pipelines = 2, .ranks = 2, .gpus = 1, .chunks = 2}, 2);
  other.next();
  CHECK(other.factor(1, 1, 1) != all.back());
}

TEST_CASE(
    "of two chunks that are woven the group waits for the GPU that is late in both together") {
  // Never longer than each chunk's own latest, and no shorter than any one GPU's.
  LateGpus late({.kernel = 0.3}, {.gpus = 16, .chunks = 2}, 3);
  int less = 0;
  for (int i = 0; i < 100; ++i) {
    late.next();
    const double apart = (late.factor(0, 0, 0) + 2 * late.factor(0, 0, 1)) / 3;
    CHECK(late.factor(0, 0, 0, 1) <= apart * (1 + 1e-12));
    less += late.factor(0, 0, 0, 1) < apart * (1 - 1e-9) ? 1 : 0;
  }
  CHECK(less > 50);
}

TEST_CASE("a step in so many stalls, and whether one does moves no factor") {
  // One in ten: 400 of 4,000, deviation sqrt(4,000 x 0.09) = 19.
  LateGpus late({.kernel = 0.1, .stall_every = 10, .stall_takes = 3}, {}, 5);
  LateGpus plain({.kernel = 0.1}, {}, 5);
  int stalled = 0;
  for (int i = 0; i < kSteps; ++i) {
    late.next();
    plain.next();
    CHECK((late.stall() == 3 || late.stall() == 1));
    CHECK(plain.stall() == 1);
    CHECK(late.factor(0, 0, 0) == plain.factor(0, 0, 0));
    stalled += late.stall() == 3 ? 1 : 0;
  }
  CHECK(std::abs(stalled - 400) < 4 * 19);
  // Without a kernel's scatter nothing else is late.
  LateGpus stalls({.stall_every = 1, .stall_takes = 2}, {.gpus = 4}, 5);
  stalls.next();
  CHECK(stalls.factor(0, 0, 0) == 1);
  CHECK(stalls.stall() == 2);
}

TEST_CASE("of drawn steps the report has quantiles between neighbours") {
  // 0, 10, …, 100: p10 is the second, p99 0.9 of the way from 90 to 100.
  std::vector<double> steps;
  for (int i = 10; i >= 0; --i) steps.push_back(10.0 * i);
  const LateSteps l = late_steps_of(steps);
  CHECK(l.steps == 11);
  CHECK(l.mean_us == Approx(50));
  CHECK(l.p10_us == Approx(10));
  CHECK(l.p50_us == Approx(50));
  CHECK(l.p90_us == Approx(90));
  CHECK(l.p99_us == Approx(99));
  CHECK(l.longest_us == 100);
}
