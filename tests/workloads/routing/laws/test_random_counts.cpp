// Counts that are drawn at once, against their distributions.
#include "workloads/routing/laws/random_counts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/workloads/routing/laws/chi_square.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// P(k) of n trials, one after another from the most likely one, which does not underflow.
std::vector<double> binomial_law(std::uint32_t n, double p) {
  std::vector<double> law(n + 1);
  const auto mode = static_cast<std::size_t>(std::floor((n + 1) * p));
  law[mode] = 1;
  for (std::size_t k = mode; k < n; ++k)
    law[k + 1] = law[k] * double(n - k) / double(k + 1) * p / (1 - p);
  for (std::size_t k = mode; k > 0; --k)
    law[k - 1] = law[k] * double(k) / double(n - k + 1) * (1 - p) / p;
  const double sum = std::accumulate(law.begin(), law.end(), 0.0);
  for (double& one : law) one /= sum;
  return law;
}

}  // namespace

TEST_CASE("a binomial draw has its distribution, by inversion and by rejection") {
  constexpr int kDraws = 200'000;
  // Few expected; at the border to rejection and just above; many; more likely than not; more
  // than factorials are kept of.
  const std::vector<std::pair<std::uint32_t, double>> cases{{7, 0.3},    {1000, 0.004}, {40, 0.249},
                                                            {40, 0.251}, {100, 0.4},    {5000, 0.1},
                                                            {100, 0.8},  {20'000, 0.01}};
  for (const auto& [trials, chance] : cases) {
    const std::uint32_t n = trials;
    const double p = chance;
    CAPTURE(n);
    CAPTURE(p);
    CounterStream random(n);
    std::vector<double> seen(n + 1), expected = binomial_law(n, p);
    for (int i = 0; i < kDraws; ++i) ++seen[binomial(n, p, random)];
    for (double& one : expected) one *= kDraws;
    CHECK(tests::excess_over(seen, expected) < 5);
  }
  CounterStream random(1);
  CHECK(binomial(9, 0, random) == 0);
  CHECK(binomial(9, 1, random) == 9);
  CHECK(binomial(0, 0.5, random) == 0);
}

TEST_CASE("a multinomial draw has its distribution, by outcomes and by trials") {
  // 70 outcomes have an alias table, which 20 trials take and 2,000 do not. Outcome 3 is as likely
  // as ten others, outcome 5 never happens; counts of two outcomes are bound to each other by
  // - trials p q.
  std::vector<double> weights(70, 1);
  weights[3] = 10, weights[5] = 0;
  const double sum = 78;
  const Multinomial law(weights);
  REQUIRE(law.outcomes() == 70);
  for (const std::uint32_t trials : {20u, 2000u}) {
    CAPTURE(trials);
    constexpr int kDraws = 20'000;
    CounterStream random(trials);
    std::vector<std::uint32_t> counts(70);
    std::vector<double> seen(trials + 1), totals(70), expected(70);
    double product = 0;
    for (int i = 0; i < kDraws; ++i) {
      law.draw(trials, random, counts);
      REQUIRE(std::accumulate(counts.begin(), counts.end(), 0u) == trials);
      ++seen[counts[3]];
      for (std::size_t o = 0; o < 70; ++o) totals[o] += counts[o];
      product += (counts[3] - trials * 10 / sum) * (counts[69] - trials / sum);
    }
    CHECK(totals[5] == 0);
    totals.erase(totals.begin() + 5), expected.pop_back();
    for (std::size_t o = 0; o < expected.size(); ++o)
      expected[o] = double(trials) * kDraws / sum * (o == 3 ? 10 : 1);
    CHECK(tests::excess_over(totals, expected) < 5);
    std::vector<double> of_three = binomial_law(trials, 10 / sum);
    for (double& one : of_three) one *= kDraws;
    CHECK(tests::excess_over(seen, of_three) < 5);
    // The product's standard deviation is about that of both counts: sqrt(npq npq).
    const double spread = std::sqrt(trials * 10 / sum * 68 / sum * trials / sum * 77 / sum);
    const double mean = -double(trials) * 10 / sum / sum;
    CHECK(product / kDraws ==
          doctest::Approx(mean).epsilon(5 * spread / std::sqrt(kDraws) / -mean));
  }
}
