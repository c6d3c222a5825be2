// Steps of schedules, times in picoseconds, without sends: as played from the orders of the
// programs that they come from (workloads/training/README.md).
#include "workloads/training/play_schedule.h"

#include <doctest/doctest.h>

#include <optional>

#include "sim/error.h"
#include "tests/support/thrown.h"
#include "tests/workloads/training/played.h"

using namespace moesim;
using namespace moesim::testing;
using moesim::tests::thrown;
using namespace moesim::workloads;
using enum ScheduleName;

TEST_CASE("gpipe and 1f1b end after m + p - 1 micro-batches' time") {
  // (m + p - 1) (F + B): 11 x 8, 27 x 8, 6 x 8.
  for (const ScheduleName name : {GPipe, OneFOneB}) {
    CHECK(step_of(name, {.ranks = 4, .micro_batches = 8}, {3, 5, 0}) == 88);
    CHECK(step_of(name, {.ranks = 8, .micro_batches = 20}, {3, 5, 0}) == 216);
    CHECK(step_of(name, {.ranks = 4, .micro_batches = 3}, {3, 5, 0}) == 48);
  }
}

TEST_CASE("1f1b on uneven stages") {
  const auto schedule = make_schedule(OneFOneB, {.ranks = 4, .micro_batches = 8});
  const auto step = [&](const std::vector<std::pair<int, int>>& stages) {
    ScheduleTimes times;
    for (const auto& [f, b] : stages)
      times.stages.push_back({.forward = sim::Duration(f), .backward = sim::Duration(b)});
    return play(schedule, times).step.count();
  };
  CHECK(step({{3, 5}, {3, 5}, {5, 9}, {3, 5}}) == 131);
  CHECK(step({{4, 7}, {3, 5}, {3, 5}, {6, 10}}) == 155);
}

TEST_CASE("a pass that wants a send's links before it is done is as much longer") {
  // Rank 1: F 5 to 8, BW to 13, F to 16, BW to 21; rank 0 has the gradients at 23 and is done
  // at 28. The second F runs beside the send of the first BW, which is under way until 15.
  const auto schedule = make_schedule(OneFOneB, {.ranks = 2, .micro_batches = 2});
  ScheduleTimes times;
  times.stages.assign(2, {.forward = sim::Duration(3), .backward = sim::Duration(5)});
  times.send = sim::Duration(2);
  const auto step = [&](std::optional<int> forward, std::optional<int> backward) {
    times.first_use = [&](std::uint32_t, const Action& action) -> std::optional<sim::Duration> {
      const auto& use = action.pass.kind == PassKind::Forward ? forward : backward;
      if (!use) return {};
      return sim::Duration(*use);
    };
    return play(schedule, times).step.count();
  };
  CHECK(step({}, {}) == 28);
  CHECK(step(2, {}) == 28);
  CHECK(step(1, {}) == 29);
  CHECK(step(0, {}) == 30);
  // Rank 0's second F ends at 6 and is sent by 8, long before the gradients come. Rank 1's results
  // of F stay where they are.
  CHECK(step({}, 0) == 28);
}

TEST_CASE("interleaved divides the bubble by the chunks") {
  CHECK(step_of(Interleaved, {.ranks = 4, .micro_batches = 8, .chunks = 2}, {3, 5, 0}) == 152);
  CHECK(step_of(Interleaved, {.ranks = 4, .micro_batches = 8, .chunks = 4}, {3, 5, 0}) == 280);
  CHECK(step_of(Interleaved, {.ranks = 8, .micro_batches = 16, .chunks = 3}, {3, 5, 0}) == 440);
  for (const bool woven : {false, true}) {
    const auto step = [&](std::int64_t p, std::int64_t m, std::int64_t v, std::int64_t g) {
      return step_of(
          Interleaved,
          {.ranks = p, .micro_batches = m, .chunks = v, .group = g, .overlap_passes = woven},
          {3, 5, 0});
    };
    CHECK(step(4, 10, 2, 5) == 184);
    CHECK(step(4, 9, 2, 5) == 168);
    CHECK(step(8, 24, 4, 8) == 824);
  }
}

TEST_CASE("zb_h1 has a bubble of (p - 1) (F + B - W), where W is no longer than either") {
  // 8 x 9 + 3 x 5; 16 x 9 + 7 x 5; 24 x 9 + 7 x 5.
  CHECK(step_of(ZbH1, {.ranks = 4, .micro_batches = 8}, {3, 4, 2}) == 87);
  CHECK(step_of(ZbH1, {.ranks = 8, .micro_batches = 16}, {3, 4, 2}) == 179);
  CHECK(step_of(ZbH1, {.ranks = 8, .micro_batches = 24}, {3, 4, 2}) == 251);
  CHECK(step_of(ZbH1, {.ranks = 4, .micro_batches = 8}, {2, 2, 3}) == 62);
}

TEST_CASE("zb_v idles on no rank where all passes are equal") {
  // A rank's work is 2 m (F + B + W); the last rank begins p - 1 later.
  CHECK(step_of(ZbV, {.ranks = 4, .micro_batches = 8}, {1, 1, 1}) == 51);
  CHECK(step_of(ZbV, {.ranks = 8, .micro_batches = 16}, {1, 1, 1}) == 103);
  CHECK(step_of(ZbV, {.ranks = 8, .micro_batches = 32}, {1, 1, 1}) == 199);
  CHECK(step_of(ZbV, {.ranks = 4, .micro_batches = 8}, {4, 4, 3}) == 188);
  CHECK(step_of(ZbV, {.ranks = 8, .micro_batches = 16}, {4, 4, 3}) == 380);
  const auto step = played(ZbV, {.ranks = 4, .micro_batches = 8}, {1, 1, 1});
  CHECK(step.busy(0).count() == 48);
  CHECK(step.ranks[0].back().end == sim::Time{sim::Duration(48)});
}

TEST_CASE("dualpipe") {
  const auto step = [](std::int64_t p, std::int64_t m, const ChunkTimes& t) {
    return step_of(DualPipe, {.ranks = p, .micro_batches = m}, t);
  };
  CHECK(step(4, 8, {2, 2, 2, 6}) == 52);
  CHECK(step(8, 20, {2, 2, 2, 6}) == 132);
  CHECK(step(16, 120, {2, 2, 2, 6}) == 748);
  CHECK(step(4, 8, {4, 5, 3, 11}) == 102);
  CHECK(step(8, 20, {4, 5, 3, 11}) == 256);
  CHECK(step(16, 120, {4, 5, 3, 11}) == 1403);
  CHECK(step(4, 8, {4, 5, 3, 10}) == 98);
  CHECK(step(8, 20, {4, 5, 3, 10}) == 242);
  CHECK(step(16, 120, {4, 5, 3, 10}) == 1293);
}

TEST_CASE("what DualPipe's ranks idle grows to the middle, the same from either end") {
  const auto step = played(DualPipe, {.ranks = 16, .micro_batches = 120}, {4, 5, 3, 11});
  const std::int64_t idle[] = {60, 61, 62, 63, 64, 65, 66, 66};
  for (std::uint32_t r = 0; r < 8; ++r) {
    CAPTURE(r);
    CHECK(step.idle(r).count() == idle[r]);
    CHECK(step.idle(15 - r).count() == idle[r]);
  }
}

TEST_CASE("dualpipe_v is dualpipe on twice the ranks with twice the micro-batches") {
  CHECK(step_of(DualPipeV, {.ranks = 4, .micro_batches = 10}, {2, 2, 2, 6}) == 132);
  CHECK(step_of(DualPipeV, {.ranks = 8, .micro_batches = 64}, {2, 2, 2, 6}) == 796);
  CHECK(step_of(DualPipeV, {.ranks = 4, .micro_batches = 10}, {4, 5, 3, 11}) == 256);
  CHECK(step_of(DualPipeV, {.ranks = 8, .micro_batches = 64}, {4, 5, 3, 11}) == 1491);
  CHECK(step_of(DualPipe, {.ranks = 16, .micro_batches = 128}, {4, 5, 3, 11}) == 1491);
}

TEST_CASE("what is sent to another rank takes its time, what stays does not") {
  // Two ranks, one micro-batch: F, send, F, BW, send, BW = 3 + 2 + 3 + 5 + 2 + 5.
  auto schedule = make_schedule(OneFOneB, {.ranks = 2, .micro_batches = 1});
  ScheduleTimes times = equal_stages(2, {3, 5, 0});
  times.send = sim::Duration(2);
  CHECK(play(schedule, times).step.count() == 20);
  // A V of one rank: its two stages follow each other at once. F F B B = 3 + 3 + 5 + 5.
  schedule = make_schedule(ZbV, {.ranks = 1, .micro_batches = 1});
  CHECK(play(schedule, times).step.count() == 16);
}

TEST_CASE("chunks in flight are those that memory is planned for") {
  const auto of = [](ScheduleName name, const ScheduleShape& shape, std::uint32_t rank,
                     bool weights) {
    return played(name, shape, {1, 1, 1}).most_in_flight(rank, weights);
  };
  for (std::uint32_t r = 0; r < 4; ++r) {
    CHECK(of(OneFOneB, {.ranks = 4, .micro_batches = 8}, r, true) == 4 - r);
    CHECK(of(ZbH1, {.ranks = 4, .micro_batches = 8}, r, false) == 4 - r);
    CHECK(of(GPipe, {.ranks = 4, .micro_batches = 8}, r, true) == 8);
    // Warm-up 2 (3 - r) + 4, and one.
    CHECK(of(Interleaved, {.ranks = 4, .micro_batches = 8, .chunks = 2}, r, true) ==
          2 * (3 - r) + 5);
    // 2p chunks, p micro-batches of a whole rank.
    CHECK(of(ZbV, {.ranks = 4, .micro_batches = 8}, r, false) <= 8);
    CHECK(of(DualPipe, {.ranks = 4, .micro_batches = 8}, r, false) == 5);
  }
}

TEST_CASE("ranks that wait for each other are named") {
  PipelineSchedule schedule;
  schedule.ranks = {{{.pass = {PassKind::Backward, 0, 0}}, {.pass = {PassKind::Forward, 0, 0}}},
                    {{.pass = {PassKind::Forward, 0, 0}}, {.pass = {PassKind::Backward, 0, 0}}}};
  CHECK(thrown<sim::DeadlockError>([&] { play(schedule, equal_stages(2, {})); }) ==
        "the schedule's ranks wait for each other: rank 0 at BW of micro-batch 0, chunk 0, rank 1 "
        "at F of micro-batch 0, chunk 0");
}
