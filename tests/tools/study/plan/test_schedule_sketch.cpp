#include "tools/study/plan/schedule_sketch.h"

#include <doctest/doctest.h>

#include "sim/random.h"
#include "workloads/training/step_time.h"

using namespace moesim;
using namespace moesim::tools;
using sim::Duration;
using workloads::ScheduleName;
using workloads::StageTimes;
using workloads::TrainingQuestion;

namespace {

struct Asked {
  TrainingQuestion question;
  workloads::Parallelism layout;
};

Asked asked(ScheduleName name, std::int64_t ranks, std::int64_t micro_batches, bool woven = false) {
  Asked all;
  all.layout.pp = ranks;
  all.question.global_batch = micro_batches;
  all.question.schedule = name;
  all.question.virtual_stages = name == ScheduleName::Interleaved ? 3 : 1;
  all.question.overlap.expert = woven;
  return all;
}

StageTimes stage(std::int64_t forward, std::int64_t input, std::int64_t weight) {
  return {.forward = Duration(forward),
          .backward_input = Duration(input),
          .backward_weight = Duration(weight),
          .backward = Duration(input + weight)};
}

constexpr std::array kAll{ScheduleName::GPipe,    ScheduleName::OneFOneB, ScheduleName::Interleaved,
                          ScheduleName::ZbH1,     ScheduleName::ZbV,      ScheduleName::DualPipe,
                          ScheduleName::DualPipeV};

}  // namespace

TEST_CASE("1f1b of equal stages is as long as the bound, and no longer") {
  // Four ranks, F 1, B and W 2: 10 x 3 and three times F and BW before and behind, 39.
  const Asked a = asked(ScheduleName::OneFOneB, 4, 10);
  ScheduleSketches sketches;
  const workloads::ScheduleTimes times{.stages = std::vector<StageTimes>(4, stage(1, 1, 1))};
  CHECK(least_step(sketches.of(a.question, a.layout), 10, times) == Duration(39));
  const auto schedule =
      workloads::make_schedule(ScheduleName::OneFOneB, workloads::shape_of(a.question, a.layout));
  CHECK(workloads::play(schedule, times).step == Duration(39));
}

TEST_CASE("of two-way schedules either copy has half of the micro-batches") {
  // Two ranks, eight micro-batches, stages of 3 and 6 a pass: 4 x 3 + 4 x 6 on either rank.
  const Asked a = asked(ScheduleName::DualPipe, 2, 8);
  ScheduleSketches sketches;
  const workloads::ScheduleTimes times{.stages = {stage(1, 1, 1), stage(2, 2, 2)}};
  CHECK(least_step(sketches.of(a.question, a.layout), 8, times) == Duration(36));
}

TEST_CASE("woven passes take their own time, as many as the schedule weaves") {
  Asked a = asked(ScheduleName::Interleaved, 2, 100, true);
  a.question.virtual_stages = 2;
  ScheduleSketches sketches;
  const ScheduleSketch& sketch = sketches.of(a.question, a.layout);
  REQUIRE(sketch.micro_batches == 8);
  workloads::ScheduleTimes times{.stages = std::vector<StageTimes>(4, stage(10, 10, 10))};
  const Duration apart = least_step(sketch, 100, times);
  times.woven.assign(16, Duration(25));
  // Rank 0 goes ahead by 2 + 2 + 1 passes, the other 195 forward ones save 5 each; rank 1, two
  // passes less ahead, starts and ends a stage later: 10 + 20 more, 197 x 5 less.
  CHECK(apart == Duration(200 * 30 + 30));
  CHECK(least_step(sketch, 100, times) == Duration(200 * 30 + 30 - 197 * 5));
}

TEST_CASE("a few micro-batches tell how many a rank has in flight") {
  ScheduleSketches sketches;
  for (const ScheduleName name : kAll) {
    if (name == ScheduleName::ZbV) continue;  // its order follows from times
    for (const bool woven : {false, true}) {
      if (woven && name != ScheduleName::Interleaved && name != ScheduleName::DualPipe) continue;
      for (const std::int64_t ranks : {2, 4, 8}) {
        for (const std::int64_t micro_batches : {2 * ranks, 7 * ranks, 64 * ranks}) {
          CAPTURE(workloads::name_of(name));
          CAPTURE(ranks);
          CAPTURE(micro_batches);
          const Asked a = asked(name, ranks, micro_batches, woven);
          const ScheduleSketch& sketch = sketches.of(a.question, a.layout);
          const auto whole =
              workloads::make_schedule(name, workloads::shape_of(a.question, a.layout));
          workloads::ScheduleTimes times;
          times.stages.assign(whole.stages(), stage(1, 1, 1));
          const auto played = workloads::play(whole, times);
          for (std::uint32_t r = 0; r < whole.size(); ++r)
            CHECK(sketch.in_flight[r] * whole.chunks ==
                  static_cast<double>(played.most_in_flight(r, false)));
        }
      }
    }
  }
}

TEST_CASE("no schedule is shorter than the bound, whatever its stages take") {
  sim::Random random(1, "schedule sketch");
  ScheduleSketches sketches;
  for (int i = 0; i < 300; ++i) {
    const ScheduleName name = kAll[static_cast<std::size_t>(i) % kAll.size()];
    const std::int64_t ranks = std::int64_t{1} << (1 + i % 3);
    const std::int64_t micro_batches = 2 * ranks * (1 + i % 5);
    const Asked a = asked(name, ranks, micro_batches);
    workloads::ScheduleShape shape = workloads::shape_of(a.question, a.layout);
    const auto schedule = workloads::make_schedule(name, shape);
    workloads::ScheduleTimes times;
    for (std::uint32_t s = 0; s < schedule.stages(); ++s)
      times.stages.push_back(stage(1 + static_cast<std::int64_t>(random.below(100)),
                                   1 + static_cast<std::int64_t>(random.below(100)),
                                   static_cast<std::int64_t>(random.below(100))));
    const Duration least = least_step(sketches.of(a.question, a.layout), micro_batches, times);
    CAPTURE(workloads::name_of(name));
    CAPTURE(ranks);
    CAPTURE(micro_batches);
    CHECK(least > Duration{});
    CHECK(least <= workloads::play(schedule, times).step);
  }
}
