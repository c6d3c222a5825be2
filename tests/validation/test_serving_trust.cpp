#include "validation/serving/e2e_trust.h"

#include <doctest/doctest.h>

#include <cmath>

#include "validation/confidence.h"

using namespace moesim::validation;
using doctest::Approx;

namespace {

// A row of a layout that is predicted and measured, without an interval of its models.
E2ePrediction row_of(std::int64_t tp, double predicted_ms, double measured_ms) {
  E2ePrediction p;
  p.row.model = "m";
  p.row.concurrency = 4;
  p.tpot_ms = p.tpot_low = p.tpot_high = predicted_ms;
  p.row.layout.tp = tp;
  p.row.tpot_ms = measured_ms;
  return p;
}

}  // namespace

TEST_CASE("a TPOT is said to be below parts of its prediction with the probability of a plan") {
  E2ePrediction failed = row_of(1, 10, 10);
  failed.failed = "does not fit";
  const auto statements = statements_on_tpot({row_of(1, 10, 10.5), failed});
  REQUIRE(statements.size() == 5);
  // 10.5 is above 8, 9, 10, and below 11 and 12.5. No interval: the deviation is the structure's.
  const double x[] = {0.8, 0.9, 1, 1.1, 1.25};
  for (std::size_t i = 0; i < 5; ++i) {
    CAPTURE(x[i]);
    CHECK(statements[i].probability == Approx(normal_below(std::log(x[i]) / kServingStructure)));
    CHECK(statements[i].holds == (i >= 3));
  }
  CHECK(statements[2].probability == 0.5);
}

TEST_CASE("of a pair the one that is predicted faster is said to be, once") {
  // 10 ms against 12, measured 11 against 10: said of the first, and it does not hold.
  const std::vector<E2ePrediction> pair{row_of(1, 12, 10), row_of(2, 10, 11)};
  const auto statements = statements_on_pairs(pair);
  REQUIRE(statements.size() == 1);
  CHECK(statements[0].probability > 0.5);
  CHECK_FALSE(statements[0].holds);
  // Another load is no pair, and a repeat of a deployment neither.
  std::vector<E2ePrediction> others{row_of(1, 12, 10), row_of(1, 11, 10), row_of(2, 10, 11)};
  others.back().row.concurrency = 8;
  CHECK(statements_on_pairs(others).empty());
}

TEST_CASE("bins tell what was said and what came true, and count from 20 on") {
  std::vector<Statement> statements;
  for (int i = 0; i < 20; ++i) statements.push_back({0.5, i < 14});  // 0.7 came true
  for (int i = 0; i < 19; ++i) statements.push_back({0.95, false});  // too few
  for (int i = 0; i < 20; ++i) statements.push_back({1, i < 17});    // of the last bin, too
  const auto bins = bins_of(statements);
  CHECK(bins[2].n == 20);
  CHECK(bins[2].from == Approx(0.4));
  CHECK(bins[2].said == Approx(0.5));
  CHECK(bins[2].held == Approx(0.7));
  CHECK(bins[4].n == 39);
  // (19 x 0.95 + 20) / 39 = 0.976 said, 17 of 39 came true.
  CHECK(largest_gap(bins) == Approx((19 * 0.95 + 20) / 39 - 17.0 / 39));
  CHECK(largest_gap(bins_of({statements.begin(), statements.begin() + 39})) == Approx(0.2));
  CHECK(bins[0].n == 0);
}
