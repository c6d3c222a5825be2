// How the dp ranks of a group wait for each other in a step: they meet at every dispatch, and part
// at the end, and each time the last to come counts. What a rank takes from one meeting to the
// next is known apart from its attention; so for ranks that attend longer or shorter the meetings
// are found again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace moesim::workloads {

class GroupMeetings {
 public:
  // Picoseconds. `after`: [meeting][rank], how long after the meeting before it each rank comes,
  // its stretch apart. `stretches`: of each meeting which of them ranks pass before it
  // (RankPricer).
  GroupMeetings(std::size_t ranks, std::vector<double> after, std::vector<std::uint32_t> stretches);

  // From the start to the end, where ranks take that long for each stretch, [stretch][rank].
  double time(std::span<const std::vector<double>> stretches) const;
  std::size_t bytes() const;

 private:
  std::size_t ranks_;
  std::vector<double> after_;
  std::vector<std::uint32_t> stretches_;
};

}  // namespace moesim::workloads
