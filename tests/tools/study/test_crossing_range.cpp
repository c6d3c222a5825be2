#include "tools/study/crossing_range.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tools/study/doubt.h"

using namespace moesim;
using namespace moesim::tools;
using sim::io::Json;

namespace {

// A step of so many microseconds of products, which may be off by 10 %, and of experts, by that
// part.
Json report(double gemm, double experts, double doubt_of_experts) {
  Json json;
  json["step_time_us"]["mean"] = gemm + experts;
  json["tokens_per_s"] = 1e6 / (gemm + experts);
  json["doubt"]["gemm"] = {{"us", gemm}, {"p10_us", 0.9 * gemm}, {"p90_us", 1.1 * gemm}};
  json["doubt"]["experts"] = {{"us", experts},
                              {"p10_us", (1 - doubt_of_experts) * experts},
                              {"p90_us", (1 + doubt_of_experts) * experts}};
  return json;
}

// Of A and B at 1 to 200, a percent apart.
std::map<double, AskedValue> asked(const std::function<Json(double)>& a,
                                   const std::function<Json(double)>& b) {
  std::map<double, AskedValue> all;
  for (double x = 1; x < 200; x *= 1.01) all[x].reports = {{"A", a(x)}, {"B", b(x)}};
  return all;
}

}  // namespace

TEST_CASE("a step's time moves by what each model has of it") {
  // 60 us of products, between 54 and 66, and 40 of experts, between 38 and 42.
  const Json json = report(60, 40, 0.05);
  const auto doubt = Doubt::of(json);
  REQUIRE(doubt);
  constexpr double kTenth = 1.2815515655446004;
  Doubt::Draw draw;
  CHECK(doubt->scale(draw) == 1);
  draw.models[static_cast<std::size_t>(workloads::Factor::Gemm)] = kTenth;
  CHECK(doubt->scale(draw) == doctest::Approx(1.06));
  draw.models[static_cast<std::size_t>(workloads::Factor::Experts)] = -kTenth;
  CHECK(doubt->scale(draw) == doctest::Approx(1.04));
  draw.structure = 1;
  CHECK(doubt->scale(draw) == doctest::Approx(1.04 * std::exp(0.06)));
  CHECK_FALSE(Doubt::of(Json{{"step_time_us", {{"mean", 1.0}}}}));
}

TEST_CASE("where two variants are equal moves by what they do not have in common") {
  // A has 100 us of products, B 50 and x us of experts, of which nothing is in doubt: equal at 50.
  // Products that take 10 % more make it 110 against 55 + x, equal at 55; 10 % less, 45. What is in
  // no model moves both and changes nothing.
  const Expression faster("A.step_time_us.mean < B.step_time_us.mean");
  const Crossing crossing{.before = 49.9, .after = 50.2, .holds_after = true};
  const auto constant = [](double) { return report(100, 0, 0); };
  const auto found =
      range_of(crossing, asked(constant, [](double x) { return report(50, x, 0); }), faster);
  REQUIRE(found);
  REQUIRE(found->low);
  REQUIRE(found->high);
  CHECK(*found->low == doctest::Approx(45).epsilon(0.01));
  CHECK(*found->high == doctest::Approx(55).epsilon(0.01));
  // Where all of both is products the same error moves both: there is no doubt.
  const auto same =
      range_of(crossing, asked(constant, [](double x) { return report(50 + x, 0, 0); }), faster);
  CHECK(*same->low == doctest::Approx(50).epsilon(0.01));
  CHECK(*same->high == doctest::Approx(50).epsilon(0.01));
  // A rate goes against the time.
  const auto rates = range_of(crossing, asked(constant, [](double x) { return report(50, x, 0); }),
                              Expression("A.tokens_per_s > B.tokens_per_s"));
  CHECK(*rates->low == doctest::Approx(*found->low).epsilon(1e-6));
  CHECK(*rates->high == doctest::Approx(*found->high).epsilon(1e-6));
}

TEST_CASE("an end beyond what was asked is not made up, and what has no time has no range") {
  // 100 us of products against 95 and x: equal at 5. 10 % less make it 90 against 85.5 + x, 4.5;
  // asked is from 4.8 on.
  std::map<double, AskedValue> some;
  for (double x = 4.8; x < 20; x *= 1.01)
    some[x].reports = {{"A", report(100, 0, 0)}, {"B", report(95, x, 0)}};
  const Crossing crossing{.before = 4.99, .after = 5.03, .holds_after = true};
  const auto found =
      range_of(crossing, some, Expression("A.step_time_us.mean < B.step_time_us.mean"));
  REQUIRE(found);
  CHECK_FALSE(found->low);
  CHECK(*found->high == doctest::Approx(5.5).epsilon(0.01));
  CHECK_FALSE(range_of(crossing, some, Expression("A.memory.peak < B.memory.peak")));
  // Against a number what is in no model counts, too: 100 + x of 130 at 30, by products' 10 and
  // 6 % x 1.28 of all.
  std::map<double, AskedValue> alone;
  for (double x = 1; x < 90; x *= 1.01) alone[x].reports = {{"", report(100, x, 0)}};
  const auto wide = range_of({.before = 29.9, .after = 30.2, .holds_after = false}, alone,
                             Expression("step_time_us.mean < 130"));
  CHECK(*wide->low < 30 - 10);
  CHECK(*wide->high > 30 + 10);
  // Where it is what fits that changes, a time has no part in it.
  std::map<double, AskedValue> full = alone;
  full[30.2] = {.fits = false};
  CHECK_FALSE(range_of({.before = 29.9, .after = 30.2, .holds_after = false}, full,
                       Expression("step_time_us.mean < 130")));
  // Without doubts there is nothing to go by.
  alone.begin()->second.reports[""].erase("doubt");
  CHECK_FALSE(range_of({.before = 29.9, .after = 30.2, .holds_after = false}, alone,
                       Expression("step_time_us.mean < 130")));
}
