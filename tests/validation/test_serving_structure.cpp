// What whole engines are off by beside their cost models: how wide it is, and for whom it holds.
#include "validation/serving/e2e_structure.h"

#include <doctest/doctest.h>

#include <cmath>

#include "workloads/report/structure.h"

using namespace moesim::validation;
using doctest::Approx;

namespace {

constexpr double kTenth = moesim::workloads::kTenthDeviation;

// Measured e^(tenth x off) times its prediction of 10 ms, a token and the first one.
E2ePrediction row_of(const char* model, double off) {
  E2ePrediction p;
  p.row.engine = "e";
  p.row.model = model;
  p.tpot_ms = p.ttft_ms = 10;
  p.row.tpot_ms = p.row.ttft_ms = 10 * std::exp(kTenth * off);
  return p;
}

}  // namespace

TEST_CASE("an end of an interval and a structure add up as squares of their logarithms") {
  using moesim::workloads::with_structure;
  // 3 and 4 tenths: 5.
  CHECK(with_structure(std::exp(0.3), 0.4 / kTenth, false) == Approx(std::exp(0.5)));
  CHECK(with_structure(std::exp(-0.3), 0.4 / kTenth, true) == Approx(std::exp(-0.5)));
  CHECK(with_structure(1, 0.1, true) == Approx(std::exp(-0.1 * kTenth)));
  CHECK(with_structure(1, 0, false) == 1);
}

TEST_CASE("a row needs the structure that puts it at the end of its interval, on its own side") {
  E2ePrediction p = row_of("m", 0.5);
  CHECK(structure_needed(p, E2eTime::Token) == Approx(0.5));
  CHECK(structure_needed(p, E2eTime::First) == Approx(0.5));
  // The models say 0.3 of the 0.5: sqrt(0.25 - 0.09). Of a first token prompts' interval counts.
  p.models.decode_high = std::exp(kTenth * 0.3);
  CHECK(structure_needed(p, E2eTime::Token) == Approx(0.4));
  CHECK(structure_needed(p, E2eTime::First) == Approx(0.5));
  p.models.prompt_high = std::exp(kTenth * 0.6);
  CHECK(structure_needed(p, E2eTime::First) == 0);
  E2ePrediction below = row_of("m", -0.5);
  below.models.decode_high = 100;
  below.models.decode_low = std::exp(-kTenth * 0.4);
  CHECK(structure_needed(below, E2eTime::Token) == Approx(0.3));
}

TEST_CASE("a structure holds 85 % of the rows, groups weighing alike, and is set by the others") {
  // Of a's ten rows one each needs 0.01 to 0.10, of b's two 0.2 and 0.3. Of two groups 1.7 are to
  // be held: all of a and 0.7 of b, so both of b's.
  std::vector<E2ePrediction> all;
  for (int i = 1; i <= 10; ++i) all.push_back(row_of("a", 0.01 * i));
  all.push_back(row_of("b", -0.2));
  all.push_back(row_of("b", 0.3));
  all.push_back(row_of("b", 9));
  all.back().failed = "does not fit";
  const E2eStructure found = structure_of(all, E2eTime::Token);
  CHECK(found.all == Approx(0.3));
  // By a alone 0.09 (nine of ten are the first to be 85 %): none of b. By b alone 0.3: all of a.
  CHECK(found.by_model.at("b").structure == Approx(0.09));
  CHECK(found.by_model.at("b").n == 2);
  CHECK(found.by_model.at("b").inside == 0);
  CHECK(found.by_model.at("a").structure == Approx(0.3));
  CHECK(found.by_model.at("a").inside == 10);
  CHECK(coverage_of(found.by_model) == Approx(1000.0 / 12));
  // No other engine says anything.
  CHECK(found.by_engine.at("e").structure == 0);
  CHECK(coverage_of({}) == 0);
  // First tokens of cold rows say nothing.
  for (E2ePrediction& p : all) p.row.cold = p.row.model == "b";
  CHECK(structure_of(all, E2eTime::First).by_model.count("b") == 0);
  CHECK(structure_of(all, E2eTime::First).all == Approx(0.09));
}
