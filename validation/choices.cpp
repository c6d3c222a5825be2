#include "validation/choices.h"

#include <algorithm>

namespace moesim::validation {
namespace {

double percent_of(std::int64_t right, std::int64_t all) {
  return all == 0 ? 0 : 100 * static_cast<double>(right) / static_cast<double>(all);
}

bool is_right(const std::vector<MeasuredOption>& options) {
  const auto best = std::ranges::max_element(options, {}, &MeasuredOption::measured);
  if (options.size() >= kManyOptions) {
    const auto before = std::ranges::count_if(
        options, [&](const MeasuredOption& option) { return option.predicted > best->predicted; });
    return static_cast<std::size_t>(before) < kFirstOnes;
  }
  const auto first = std::ranges::max_element(options, {}, &MeasuredOption::predicted);
  return first->measured * kAsGood >= best->measured;
}

}  // namespace

double Chosen::percent() const {
  return percent_of(right, questions);
}
double RankedPairs::percent() const {
  return percent_of(right, pairs);
}

Choices choices_of(const Questions& questions) {
  Choices choices;
  for (const auto& [question, options] : questions) {
    if (options.size() < 2) continue;
    Chosen& chosen = options.size() >= kManyOptions ? choices.many : choices.few;
    ++chosen.questions;
    if (is_right(options)) ++chosen.right;
  }
  return choices;
}

RankedPairs pairs_of(const Questions& questions, double factor) {
  RankedPairs ranked;
  for (const auto& [question, options] : questions) {
    for (std::size_t i = 0; i < options.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        const double measured = options[i].measured / options[j].measured;
        if (std::max(measured, 1 / measured) <= factor) continue;
        ++ranked.pairs;
        if ((measured > 1) == (options[i].predicted > options[j].predicted)) ++ranked.right;
      }
    }
  }
  return ranked;
}

}  // namespace moesim::validation
