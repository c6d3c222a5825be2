#include "workloads/report/time_account.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>

using namespace moesim;
using namespace moesim::workloads;
using sim::Duration;

TEST_CASE("parts are rounded so that they add up") {
  // Scaled to 10: 3.33 each; the one that is left goes to the first of equals.
  CHECK(largest_remainder({1, 1, 1}, 10) == std::vector<std::int64_t>{4, 3, 3});
  // 1.5, 2.25 and 6.25 of 10: the largest remainder is the first's.
  CHECK(largest_remainder({6, 9, 25}, 10) == std::vector<std::int64_t>{2, 2, 6});
  CHECK(largest_remainder({0, 5}, 7) == std::vector<std::int64_t>{0, 7});
  CHECK(largest_remainder({}, 0).empty());
  const std::vector<std::int64_t> many =
      largest_remainder(std::vector<double>(1000, 0.1), 12'433'649'835);
  CHECK(std::accumulate(many.begin(), many.end(), std::int64_t{0}) == 12'433'649'835);
}

TEST_CASE("a rank's time is divided by layer, phase and reason") {
  // One rank: 60 ps of attention in layer 3, half of its kernels' time by memory, half by
  // arithmetic; 30 ps of a combine, 10 of which it waits; 10 ps idle.
  StepOutcome step;
  step.times.ranks.resize(1);
  auto& phases = step.times.places;
  phases.resize(place_of(3, Phase::Other) + 1);
  phases[place_of(3, Phase::Attention)].exposed = Duration{60};
  phases[place_of(3, Phase::Combine)].exposed = Duration{30};
  phases[place_of(3, Phase::Combine)].waiting = Duration{10};
  step.times.ranks[0].idle = Duration{10};
  step.account.bounds_of(place_of(3, Phase::Attention)) = {Duration{0}, Duration{40}, Duration{40}};
  TimeAccount account;
  account.add(step, 1);
  std::map<std::string, std::int64_t> cells;
  for (const TimeReport& cell : account.cells(100, false))
    cells[std::to_string(cell.layer) + " " + std::string(cell.phase) + " " +
          std::string(cell.reason)] = cell.ps;
  CHECK(cells == std::map<std::string, std::int64_t>{{"3 attention compute", 30},
                                                     {"3 attention memory", 30},
                                                     {"3 combine network", 20},
                                                     {"3 combine slower_ranks", 10},
                                                     {"-1 idle idle", 10}});
  // In a pipeline nobody idles for another reason.
  CHECK(account.cells(100, true).back().reason == "bubble");
}

TEST_CASE("what bounds a step reads as people say it") {
  CHECK(bottleneck_name("experts", "memory") == "experts: memory bandwidth");
  CHECK(bottleneck_name("combine", "slower_ranks") == "combine: slower ranks");
  CHECK(bottleneck_name("idle", "idle") == "idle");
  CHECK(bottleneck_name("host", "host") == "host");
}

TEST_CASE("a place is a phase of a layer, and a send between stages is of none") {
  CHECK(phase_of(place_of(7, Phase::Experts)) == Phase::Experts);
  CHECK(layer_of(place_of(7, Phase::Experts)) == 7);
  CHECK(layer_of(place_of(-1, Phase::Head)) == -1);
  CHECK(layer_of(place_of(2, Phase::Pipeline)) == -1);
}
