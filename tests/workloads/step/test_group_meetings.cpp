// Who is the last to come at each meeting, for ranks that attend for longer or shorter.
#include "workloads/step/group_meetings.h"

#include <doctest/doctest.h>

using namespace moesim::workloads;

TEST_CASE("at each meeting the last to come counts, its own stretch included") {
  // Two ranks, two meetings behind stretch 0 and the end behind stretch 1. Rank 0 takes 10, 2 and 1
  // beside its stretches, rank 1 takes 3, 4 and 1.
  const GroupMeetings meetings(2, {10, 3, 2, 4, 1, 1}, {0, 0, 1});
  // Stretches of 1 and 5 on both: 11, then rank 1's 5, then 6.
  CHECK(meetings.time(std::vector<std::vector<double>>{{1, 1}, {5, 5}}) == 22);
  // Rank 1 attends for 9: it comes last at both meetings, 12 and 13; rank 0 at the end, 1 + 7.
  CHECK(meetings.time(std::vector<std::vector<double>>{{1, 9}, {7, 5}}) == 33);
}

TEST_CASE("whoever is last is found among any number of ranks") {
  // One meeting. Ranks come at 100, 101, …, and each in turn attends for 1,000 instead of nothing:
  // it comes 1,000 after its own time.
  for (const std::size_t ranks : {1U, 15U, 16U, 17U, 32U, 37U}) {
    std::vector<double> after;
    for (std::size_t i = 0; i < ranks; ++i) after.push_back(100 + static_cast<double>(i));
    const GroupMeetings meetings(ranks, after, {0});
    for (std::size_t slow = 0; slow < ranks; ++slow) {
      CAPTURE(ranks);
      CAPTURE(slow);
      std::vector<double> own(ranks, 0);
      own[slow] = 1000;
      CHECK(meetings.time(std::vector<std::vector<double>>{own}) == 1000 + after[slow]);
    }
  }
}
