// Would a planner have chosen right? Options that were measured for one question, such as the
// deployments of a model on a system under one load, what each came to and what is predicted of it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace moesim::validation {

// The more the better; both above 0.
struct MeasuredOption {
  double measured = 0, predicted = 0;
};
using Questions = std::map<std::string, std::vector<MeasuredOption>>;

// Questions with so many options, and where the choice was right.
struct Chosen {
  std::int64_t questions = 0, right = 0;
  double percent() const;  // 0 of none
};

inline constexpr std::size_t kManyOptions = 5, kFirstOnes = 3;
inline constexpr double kAsGood = 1.05;

struct Choices {
  // Of kManyOptions or more: the measured best is among the kFirstOnes that are predicted the best.
  Chosen many;
  // Of two to four: the one that is predicted the best was measured within 5 % of the best.
  Chosen few;
  Chosen all() const {
    return {.questions = many.questions + few.questions, .right = many.right + few.right};
  }
};
Choices choices_of(const Questions& questions);

// Of pairs of options of one question whose measured values differ by more than the factor: how
// many are predicted in the same order.
struct RankedPairs {
  std::int64_t pairs = 0, right = 0;
  double percent() const;  // 0 of none
};
RankedPairs pairs_of(const Questions& questions, double factor);

}  // namespace moesim::validation
