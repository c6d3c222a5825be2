#include "validation/serving/e2e_accuracy.h"

#include "validation/serving/e2e_choices.h"
#include "validation/serving/e2e_trust.h"

namespace moesim::validation {
namespace {

constexpr double kRightChoices = 70, kRightPairs = 80, kGap = 0.2, kCapacityMedian = 12,
                 kCapacityP90 = 25;  // musts
constexpr double kPairsDiffer = 1.1;

// What counts of a list of statements: in bins that are large enough.
AccuracyRow trust(std::string_view what, const std::vector<Statement>& statements) {
  const auto bins = bins_of(statements);
  AccuracyRow row{.what = what, .is = AccuracyIs::Off, .value = largest_gap(bins), .must = kGap};
  for (const TrustBin& bin : bins) row.n += bin.counts() ? bin.n : 0;
  return row;
}

}  // namespace

std::vector<AccuracyRow> accuracy_of(const std::vector<E2ePrediction>& predictions) {
  std::vector<AccuracyRow> rows;
  const auto choices = [&](std::string_view many, std::string_view few, std::string_view pairs,
                           ChosenBy by) {
    const Questions questions = questions_of(predictions, by);
    const Choices found = choices_of(questions);
    const RankedPairs ranked = pairs_of(questions, kPairsDiffer);
    const auto add = [&](std::string_view what, std::int64_t n, double value, double must) {
      rows.push_back({.what = what, .n = n, .value = value, .must = must});
    };
    add(many, found.many.questions, found.many.percent(), kRightChoices);
    add(few, found.few.questions, found.few.percent(), kRightChoices);
    add(pairs, ranked.pairs, ranked.percent(), kRightPairs);
  };
  choices("best TPOT among our first three, of five or more, %",
          "our least TPOT within 5 % of the best, of fewer, %",
          "order of TPOTs that differ by more than 10 %, %", ChosenBy::UserSpeed);
  choices("best tokens/s/GPU among our first three, of five or more, %",
          "our most tokens/s/GPU within 5 % of the best, of fewer, %",
          "order of tokens/s/GPU that differ by more than 10 %, %", ChosenBy::GpuRate);
  rows.push_back(
      trust("P(TPOT <= x predictions), largest gap of a bin", statements_on_tpot(predictions)));
  rows.push_back(
      trust("P(A faster than B), largest gap of a bin", statements_on_pairs(predictions)));
  const E2eError capacity = error_of(capacities_of(predictions));
  rows.push_back({.what = "capacity at a target of TPOT, median error, %",
                  .is = AccuracyIs::Off,
                  .n = capacity.n,
                  .value = capacity.median,
                  .must = kCapacityMedian});
  rows.push_back({.what = "capacity at a target of TPOT, p90 of the error, %",
                  .is = AccuracyIs::Off,
                  .n = capacity.n,
                  .value = capacity.p90,
                  .must = kCapacityP90});
  return rows;
}

}  // namespace moesim::validation
