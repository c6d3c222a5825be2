// When requests come, by hand and by the moments of the laws.
#include "workloads/serving/requests/arrivals.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads::serving;

namespace {

std::vector<sim::Time> all(const Arrivals& arrivals, std::int64_t count,
                           std::optional<std::int64_t> known = {}, std::uint64_t seed = 1) {
  ArrivalTimes times(arrivals, known, seed);
  std::vector<sim::Time> list;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto at = times.next();
    if (!at) break;
    list.push_back(*at);
  }
  return list;
}

std::vector<RateStage> steady(double rate) {
  return {{.from = rate, .to = rate}};
}

}  // namespace

TEST_CASE("a constant rate of 20 a second sends one every 50 ms") {
  const auto at = all({.law = ArrivalLaw::Constant, .stages = steady(20)}, 3);
  CHECK(at == std::vector{sim::Time{50ms}, sim::Time{100ms}, sim::Time{150ms}});
}

TEST_CASE("a stage that ends in the middle of a gap goes on in the next one's rate") {
  // 10 a second for 0.25 s has 2.5 requests: the third needs half a gap of the 100 a second, 5 ms.
  // The second stage has 1 request in its 10 ms: 2.5 + 1 = 3.5, so there is no fourth.
  const auto at = all(
      {.law = ArrivalLaw::Constant,
       .stages = {{.from = 10, .to = 10, .time = 250ms}, {.from = 100, .to = 100, .time = 10ms}}},
      10);
  CHECK(at == std::vector{sim::Time{100ms}, sim::Time{200ms}, sim::Time{255ms}});
}

TEST_CASE("a rate that climbs from 0 sends by the square root of time") {
  // Rate 2 t a second over 10 s: t^2 requests until t; the fourth comes at 2 s, the ninth at 3 s.
  const auto at =
      all({.law = ArrivalLaw::Constant, .stages = {{.from = 0, .to = 20, .time = 10s}}}, 200);
  REQUIRE(at.size() == 100);  // 10^2
  CHECK(at[3] == sim::Time{2s});
  CHECK(at[8] == sim::Time{3s});
}

TEST_CASE("with a count the last request comes at count / rate") {
  for (const ArrivalLaw law : {ArrivalLaw::Poisson, ArrivalLaw::Gamma, ArrivalLaw::Weibull}) {
    const auto at = all({.law = law, .shape = 0.7, .stages = steady(8)}, 1000, 1000, 3);
    CHECK(std::abs(sim::to_seconds(at.back() - sim::Time{}) - 125) < 1e-9);
    CHECK(std::is_sorted(at.begin(), at.end()));
  }
}

TEST_CASE("all at once means all at once") {
  CHECK(all({.law = ArrivalLaw::AtOnce}, 3) == std::vector(3, sim::Time{}));
}

TEST_CASE("gaps have mean 1 and the coefficient of variation of their law") {
  // Gamma of shape k: cv^2 = 1 / k. Weibull: cv^2 = G(1 + 2/k) / G(1 + 1/k)^2 - 1.
  // The mean of n draws is off by cv / sqrt(n); five of that is one in two million.
  const auto check = [](ArrivalLaw law, double shape, double cv2) {
    CAPTURE(shape);
    sim::Random random(5, "gaps");
    const int n = 200'000;
    double sum = 0, squares = 0;
    for (int i = 0; i < n; ++i) {
      const double gap = draw_gap(law, shape, random);
      sum += gap;
      squares += gap * gap;
    }
    const double mean = sum / n;
    CHECK(std::abs(mean - 1) <= 5 * std::sqrt(cv2 / n));
    CHECK(squares / n / (mean * mean) - 1 == doctest::Approx(cv2).epsilon(0.06));
  };
  check(ArrivalLaw::Constant, 1, 0);
  check(ArrivalLaw::Poisson, 1, 1);
  check(ArrivalLaw::Gamma, 4, 0.25);
  check(ArrivalLaw::Gamma, 0.5, 2);
  check(ArrivalLaw::Weibull, 2, 4 / 3.14159265358979 - 1);
  check(ArrivalLaw::Weibull, 0.7,
        std::tgamma(1 + 2 / 0.7) / std::pow(std::tgamma(1 + 1 / 0.7), 2) - 1);
}
