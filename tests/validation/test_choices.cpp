#include "validation/choices.h"

#include <doctest/doctest.h>

#include <cmath>

#include "validation/serving/e2e_accuracy.h"
#include "validation/serving/e2e_choices.h"

using namespace moesim::validation;
using doctest::Approx;

namespace {

// A row of a layout at so many clients, with 101 tokens of output behind a first one of 100 ms.
E2ePrediction row_of(std::int64_t tp, std::int64_t clients, double measured_ms,
                     double predicted_ms) {
  E2ePrediction p;
  p.row.model = "m";
  p.row.system = "s";
  p.row.osl = 101;
  p.row.concurrency = clients;
  p.row.layout = {.tp = tp, .etp = tp};
  p.row.ttft_ms = p.ttft_ms = 100;
  p.row.tpot_ms = measured_ms;
  p.tpot_ms = predicted_ms;
  return p;
}

}  // namespace

TEST_CASE(
    "of five options the best has to be among the first three, of fewer the first within 5 %") {
  // Measured 5 is the best; three are predicted above it.
  const std::vector<MeasuredOption> fourth{{5, 7}, {4, 10}, {3, 9}, {2, 8}, {1, 1}};
  const std::vector<MeasuredOption> third{{5, 8}, {4, 10}, {3, 9}, {2, 7}, {1, 1}};
  const Choices many = choices_of({{"fourth", fourth}, {"third", third}});
  CHECK(many.many.questions == 2);
  CHECK(many.many.right == 1);
  CHECK(many.few.questions == 0);
  CHECK(many.many.percent() == 50);
  // Of two the one that is predicted the best was measured 4 % and 6 % below the best.
  const Choices few = choices_of({{"near", {{1.04, 1}, {1, 2}}},
                                  {"far", {{1.06, 1}, {1, 2}}},
                                  {"right", {{2, 2}, {1, 1}}},
                                  {"alone", {{2, 2}}}});
  CHECK(few.few.questions == 3);
  CHECK(few.few.right == 2);
  CHECK(few.all().questions == 3);
  CHECK(Choices{}.all().percent() == 0);
}

TEST_CASE("pairs that differ by more than the factor are in order or not") {
  // 10 and 11.5 differ by 15 %, 10 and 10.5 by 5 %, 10.5 and 11.5 by 9.5 %: one pair, whose
  // predictions are the other way round.
  const Questions questions{{"q", {{10, 3}, {11.5, 2}, {10.5, 1}}}, {"alone", {{1, 1}}}};
  CHECK(pairs_of(questions, 1.1).pairs == 1);
  CHECK(pairs_of(questions, 1.1).right == 0);
  CHECK(pairs_of(questions, 1.05).pairs == 2);  // and 10.5 below 11.5, as predicted
  CHECK(pairs_of(questions, 1.05).right == 1);
  CHECK(RankedPairs{}.percent() == 0);
}

TEST_CASE("deployments under one load are options by a user's tokens or by a GPU's") {
  std::vector<E2ePrediction> all{row_of(1, 8, 20, 10), row_of(2, 8, 12.5, 11), row_of(1, 16, 9, 9),
                                 row_of(1, 8, 1, 1)};
  all.push_back(row_of(4, 8, 1, 1));
  all.back().failed = "does not fit";
  const Questions speed = questions_of(all, ChosenBy::UserSpeed);
  REQUIRE(speed.size() == 2);  // at 8 and at 16 clients; a repeat and what failed are no options
  const auto& options = speed.at("m s 0 101 8");
  REQUIRE(options.size() == 2);
  CHECK(options[0].measured == Approx(1 / 20.0));
  CHECK(options[1].predicted == Approx(1 / 11.0));
  // 8 x 101 tokens in 0.1 + 100 x 0.0125 s, on two GPUs.
  const Questions rate = questions_of(all, ChosenBy::GpuRate);
  CHECK(rate.at("m s 0 101 8")[1].measured == Approx(8 * 101 / 1.35 / 2));
}

TEST_CASE("capacity at a target is where the loads pass it, on the line of logarithms") {
  // With a first token as long as any: rate = clients x 101 / (101 x tpot) = clients / tpot.
  const auto load = [](std::int64_t clients, double measured, double predicted) {
    E2ePrediction p = row_of(1, clients, measured, predicted);
    p.row.ttft_ms = measured;
    p.ttft_ms = predicted;
    return p;
  };
  // Measured 8 ms at 4 clients, 12.5 at 16: 500 and 1,280 /s. 10 ms is half of the way in
  // logarithms (8 x 1.25, 12.5 / 1.25): sqrt(500 x 1,280) = 800 /s. Predicted 10 ms at 16: 1,600.
  const auto found = capacities_of({load(4, 8, 5), load(16, 12.5, 10), load(32, 13, 20)});
  REQUIRE(found.size() == 1);  // 15 ms and more are not passed by what was measured
  CHECK(found[0].target_ms == 10);
  CHECK(found[0].measured == Approx(800));
  CHECK(found[0].predicted == Approx(1600));
  CHECK_FALSE(found[0].beyond);
  CHECK(error_of(found).median == Approx(100));
  // No load of ours takes 10 ms: on the line through the last two, 2 and 4 ms with 8,000 and 8,000
  // /s, it is 8,000.
  const auto beyond = capacities_of({load(4, 8, 1), load(16, 12.5, 2), load(32, 13, 4)});
  REQUIRE(beyond.size() == 1);
  CHECK(beyond[0].beyond);
  CHECK(beyond[0].predicted == Approx(8000));
  // Two loads are no curve.
  CHECK(capacities_of({load(4, 8, 5), load(16, 12.5, 10)}).empty());
}

TEST_CASE("the table says of how many, what was found and whether that is enough") {
  const auto rows = accuracy_of({row_of(1, 8, 20, 20), row_of(2, 8, 10, 10)});
  REQUIRE(rows.size() == 10);
  // One question of two options, right by either; one pair; statements too few to count; no curve.
  CHECK(rows[0].n == 0);
  CHECK(rows[1].n == 1);
  CHECK(rows[1].value == 100);
  CHECK(rows[1].met());
  CHECK(rows[2].n == 1);
  CHECK(rows[6].n == 0);
  CHECK(rows[8].n == 0);
  const auto wrong = accuracy_of({row_of(1, 8, 20, 10), row_of(2, 8, 10, 20)});
  CHECK(wrong[1].value == 0);
  CHECK_FALSE(wrong[1].met());
  CHECK_FALSE(wrong[2].met());
}
