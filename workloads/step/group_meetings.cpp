#include "workloads/step/group_meetings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sim/any_width.h"
#include "sim/check.h"

namespace moesim::workloads {
namespace {

constexpr std::size_t kLanes = 16;

// The largest of a[i] + b[i], not below zero.
MOESIM_ANY_WIDTH
double largest_sum(const double* a, const double* b, std::size_t count) {
  std::array<double, kLanes> most{};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    MOESIM_SIDE_BY_SIDE
    for (std::size_t k = 0; k < kLanes; ++k) {
      const double sum = a[i + k] + b[i + k];
      most[k] = most[k] < sum ? sum : most[k];
    }
  }
  for (; i < count; ++i) most[0] = std::max(most[0], a[i] + b[i]);
  return *std::ranges::max_element(most);
}

}  // namespace

GroupMeetings::GroupMeetings(std::size_t ranks, std::vector<double> after,
                             std::vector<std::uint32_t> stretches)
    : ranks_(ranks), after_(std::move(after)), stretches_(std::move(stretches)) {
  SIM_CHECK(after_.size() == ranks_ * stretches_.size(), "each rank comes to each meeting");
}

double GroupMeetings::time(std::span<const std::vector<double>> stretches) const {
  double sum = 0;
  const double* after = after_.data();
  for (const std::uint32_t stretch : stretches_) {
    sum += largest_sum(after, stretches[stretch].data(), ranks_);
    after += ranks_;
  }
  return sum;
}

std::size_t GroupMeetings::bytes() const {
  return after_.size() * sizeof(double) + stretches_.size() * sizeof(std::uint32_t);
}

}  // namespace moesim::workloads
