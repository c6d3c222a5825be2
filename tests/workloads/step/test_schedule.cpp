#include "workloads/step/schedule.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "sim/error.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

// A line a stage: its micro-batches in their order.
std::string drawn(const Schedule& schedule) {
  std::string text;
  for (const auto& slots : schedule) {
    for (const Slot& slot : slots) text += fmt::format("{}", slot.micro_batch);
    text += "\n";
  }
  return text;
}

// "stage:micro-batch" one after another.
std::string drawn(const std::vector<Step>& order) {
  std::string text;
  for (const Step& step : order)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", step.stage, step.slot.micro_batch);
  return text;
}

Schedule schedule_of(const std::vector<std::vector<std::uint32_t>>& stages) {
  Schedule schedule;
  for (const auto& micro_batches : stages) {
    auto& slots = schedule.emplace_back();
    for (const std::uint32_t m : micro_batches) slots.push_back({.micro_batch = m});
  }
  return schedule;
}

}  // namespace

TEST_CASE("in order every stage takes the micro-batches as they come") {
  CHECK(drawn(in_order(3, 4)) ==
        "0123\n"
        "0123\n"
        "0123\n");
  CHECK(drawn(in_order(1, 1)) == "0\n");
  CHECK(in_order(2, 1)[1][0] ==
        Slot{.chunk = 0, .micro_batch = 0, .direction = Direction::Forward});
}

TEST_CASE("slots come one by one, each after that of the stage before, stages in turn") {
  // Once stage 0 has done micro-batch 0, stage 1 may; then it is stage 0's turn again.
  CHECK(drawn(one_by_one(in_order(2, 3))) == "0:0 1:0 0:1 1:1 0:2 1:2");
  CHECK(drawn(one_by_one(in_order(1, 2))) == "0:0 0:1");
  // Stage 1 wants micro-batch 1 first, and waits for stage 0 to have done both.
  CHECK(drawn(one_by_one(schedule_of({{0, 1}, {1, 0}}))) == "0:0 0:1 1:1 1:0");
  // A stage that has less to do is passed over.
  CHECK(drawn(one_by_one(schedule_of({{0, 1}, {0}}))) == "0:0 1:0 0:1");
  CHECK(one_by_one({}).empty());
}

TEST_CASE("a schedule whose stages wait for what never comes says who waits for what") {
  // Stage 1 waits for a micro-batch that stage 0 does not have, stage 2 for stage 1.
  CHECK(tests::thrown<sim::DeadlockError>([] {
          (void)one_by_one(schedule_of({{0}, {1, 0}, {0}}));
        }) ==
        "the schedule's stages wait for each other: stage 1 for micro-batch 1, stage 2 for "
        "micro-batch 0");
}
