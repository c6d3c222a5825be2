// What holds of every schedule of any size, on any times.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "sim/random.h"
#include "tests/workloads/training/played.h"

using namespace moesim;
using namespace moesim::testing;
using namespace moesim::workloads;

namespace {

struct Case {
  ScheduleName name = ScheduleName::GPipe;
  ScheduleShape shape;
  PipelineSchedule schedule;
  ScheduleTimes times;
};

std::int64_t below(sim::Random& random, std::int64_t n) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
}

// A schedule that can be, of up to 8 ranks, on stages that differ.
Case draw(std::uint64_t seed) {
  sim::Random random(seed, "schedules");
  Case c;
  do {
    c.name = *parse_schedule(schedule_names()[random.below(schedule_names().size())]);
    c.shape = {.ranks = 1 + below(random, 8), .micro_batches = 1 + below(random, 24)};
    if (c.name == ScheduleName::Interleaved) {
      c.shape.chunks = 2 + below(random, 3);
      c.shape.group = c.shape.ranks + below(random, 3);
      c.shape.overlap_passes = random.below(2) == 1;
    }
    c.shape.forward = 1 + below(random, 9);
    c.shape.backward_input = 1 + below(random, 9);
    c.shape.backward_weight = 1 + below(random, 9);
  } while (!problems_of(c.name, c.shape).empty());
  c.schedule = make_schedule(c.name, c.shape);
  for (std::uint32_t s = 0; s < c.schedule.stages(); ++s) {
    StageTimes t{.forward = sim::Duration(1 + below(random, 50)),
                 .backward_input = sim::Duration(1 + below(random, 50)),
                 .backward_weight = sim::Duration(1 + below(random, 50))};
    t.backward = t.backward_input + t.backward_weight;
    c.times.stages.push_back(t);
  }
  c.times.send = sim::Duration(below(random, 10));
  return c;
}

// Micro-batches that go in by a chunk.
std::int64_t micro_batches_of_chunk(const Case& c) {
  return c.schedule.route == StageRoute::TwoWay ? c.shape.micro_batches / 2 : c.shape.micro_batches;
}

constexpr std::uint64_t kSeeds = 500;

}  // namespace

TEST_CASE("every chunk passes every micro-batch forward and back once") {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    const Case c = draw(seed);
    for (const auto& rank : c.schedule.ranks) {
      std::map<Pass, int> times;
      for (const Action& a : rank) {
        ++times[a.pass];
        if (a.beside) ++times[*a.beside];
      }
      for (std::uint32_t chunk = 0; chunk < c.schedule.chunks; ++chunk) {
        for (std::uint32_t i = 0; i < micro_batches_of_chunk(c); ++i) {
          const auto count = [&](PassKind kind) { return times[Pass{kind, i, chunk}]; };
          CHECK(count(PassKind::Forward) == 1);
          CHECK(count(PassKind::Backward) + count(PassKind::BackwardInput) == 1);
          CHECK(count(PassKind::BackwardInput) == count(PassKind::BackwardWeight));
        }
      }
      // Nothing else: of each kind what was looked up, and no pass that is unknown.
      std::int64_t all = 0;
      for (const auto& [pass, n] : times)
        all += n * (pass.kind == PassKind::BackwardWeight ? 0 : 1);
      CHECK(all == 2 * micro_batches_of_chunk(c) * c.schedule.chunks);
    }
  }
}

TEST_CASE("no step is shorter than a rank's work, or than one micro-batch's way") {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    const Case c = draw(seed);
    const PlayedSchedule step = play(c.schedule, c.times);
    sim::Duration way{};
    for (const StageTimes& t : c.times.stages) way += t.forward + t.backward_input;
    CHECK(step.step >= way);
    for (std::uint32_t r = 0; r < c.schedule.size(); ++r) {
      sim::Duration work{};
      for (std::uint32_t chunk = 0; chunk < c.schedule.chunks; ++chunk) {
        const StageTimes& t = c.times.stages[c.schedule.stage({r, chunk})];
        work += micro_batches_of_chunk(c) * (t.forward + t.backward);
      }
      CHECK(step.busy(r) == work);
      CHECK(step.idle(r) >= sim::Duration{});
    }
  }
}

TEST_CASE("a stage or a send that takes longer makes no step shorter") {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    CAPTURE(seed);
    Case c = draw(seed);
    const sim::Duration before = play(c.schedule, c.times).step;
    sim::Random random(seed, "slower");
    StageTimes& t = c.times.stages[random.below(c.times.stages.size())];
    switch (random.below(4)) {
      case 0:
        t.forward += sim::Duration(7);
        break;
      case 1:
        t.backward_input += sim::Duration(7);
        t.backward += sim::Duration(7);
        break;
      case 2:
        t.backward_weight += sim::Duration(7);
        t.backward += sim::Duration(7);
        break;
      default:
        c.times.send += sim::Duration(7);
    }
    CHECK(play(c.schedule, c.times).step >= before);
  }
}
