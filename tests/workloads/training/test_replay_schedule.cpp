// A schedule that is played again is played as the first time.
#include "workloads/training/replay_schedule.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sim/error.h"
#include "sim/random.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

std::int64_t below(sim::Random& random, std::int64_t n) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
}

PipelineSchedule drawn(sim::Random& random) {
  while (true) {
    const ScheduleName name = *parse_schedule(schedule_names()[random.below(7)]);
    ScheduleShape shape{.ranks = 1 + below(random, 8), .micro_batches = 1 + below(random, 20)};
    if (name == ScheduleName::Interleaved) {
      shape.chunks = 2 + below(random, 3);
      shape.overlap_passes = random.below(2) == 1;
    }
    if (problems_of(name, shape).empty()) return make_schedule(name, shape);
  }
}

}  // namespace

TEST_CASE("a replay has the instants of a play, whatever takes how long") {
  // One replay for three sets of times: nothing of one is left in the next.
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "replay");
    const PipelineSchedule schedule = drawn(random);
    const ReplaySchedule replay(schedule);
    PlayedSchedule again;
    for (int set = 0; set < 3; ++set) {
      ReplayTimes times{.time = {}, .send = sim::Duration(below(random, 12))};
      for (std::size_t i = 0; i < replay.actions(); ++i) {
        times.time.emplace_back(1 + below(random, 50));
        times.first_use.emplace_back(sim::Duration(below(random, 20)));
        if (random.below(3) == 0) times.first_use.back().reset();
      }
      if (set == 1) times.first_use.clear();
      if (set == 2)
        for (std::uint32_t r = 0; r < schedule.size(); ++r)
          for (auto& ready = times.ready.emplace_back(); ready.size() < schedule.chunks;)
            ready.emplace_back(below(random, 200));
      const auto index = [&](std::uint32_t rank, const Action& action) {
        const auto& list = schedule.ranks[rank];
        return replay.index(
            rank, static_cast<std::size_t>(std::ranges::find(list, action) - list.begin()));
      };
      ScheduleTimes plain{.send = times.send, .ready = times.ready};
      plain.of = [&](std::uint32_t rank, const Action& a) { return times.time[index(rank, a)]; };
      if (!times.first_use.empty())
        plain.first_use = [&](std::uint32_t rank, const Action& a) {
          return times.first_use[index(rank, a)];
        };
      const PlayedSchedule once = play(schedule, plain);
      replay.play(times, again);
      CHECK(again.step == once.step);
      REQUIRE(again.ranks.size() == once.ranks.size());
      bool same = true;
      for (std::uint32_t r = 0; r < schedule.size(); ++r) {
        REQUIRE(again.ranks[r].size() == once.ranks[r].size());
        for (std::size_t i = 0; i < once.ranks[r].size(); ++i) {
          const PlayedAction &a = again.ranks[r][i], &b = once.ranks[r][i];
          same = same && a.action == b.action && a.start == b.start && a.end == b.end &&
                 a.behind_send == b.behind_send;
        }
      }
      CHECK(same);
    }
  }
}

TEST_CASE("a schedule whose ranks wait for each other has no replay") {
  // Rank 0 wants the gradients of micro-batch 0 before it sends its activations.
  PipelineSchedule schedule;
  schedule.ranks = {{{.pass = {PassKind::Backward, 0, 0}}, {.pass = {PassKind::Forward, 0, 0}}},
                    {{.pass = {PassKind::Forward, 0, 0}}, {.pass = {PassKind::Backward, 0, 0}}}};
  CHECK(tests::thrown<sim::DeadlockError>([&] { (void)ReplaySchedule(schedule); }) ==
        "the schedule's ranks wait for each other: rank 0 at BW of micro-batch 0, chunk 0, rank 1 "
        "at F of micro-batch 0, chunk 0");
}
