#include "tools/report/trace_counters.h"

#include <doctest/doctest.h>

#include <array>

#include "hardware/network/topology.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace std::chrono_literals;
using workloads::Phase;

namespace {

// GPU 0 sends 9 MB to GPU 1, whose experts work on it from 20 to 50 us.
workloads::Recording dispatch() {
  workloads::Recording recording{sim::OpGraph(2, 2), {}};
  sim::OpGraph& graph = recording.graph;
  const auto sends = graph.add_label({"dispatch L0", index_of(Phase::Dispatch)});
  const auto works = graph.add_label({"experts L0", index_of(Phase::Experts)});
  const auto id = graph.add_exchange({.participants = {0, 1},
                                      .transfers = {{0, 1, sim::Bytes(9'000'000)}},
                                      .near = {.factor = 1}});
  graph.add_part(id, 0, 1, sends, {});
  const sim::OpId part = graph.add_part(id, 1, 1, sends, {});
  graph.add_compute(1, 0, works, 30us, std::array{part});
  recording.timeline = {{{sim::Time{}, sim::Time{10us}},
                         {sim::Time{}, sim::Time{20us}},
                         {sim::Time{20us}, sim::Time{50us}}},
                        sim::Time{50us}};
  return recording;
}

using Values = std::vector<std::pair<sim::Time, double>>;

}  // namespace

TEST_CASE("a link's counter is its bytes over the exchange's time and its capacity") {
  // 9 MB in 20 us are 450 GB/s: all of an H100's NVLink, on the way up and on the way down.
  const auto cluster = hardware::load_cluster("configs/clusters/h100-1x2.yaml");
  REQUIRE(cluster.scale_up.bandwidth == 450_GBps);
  const auto counters = tools::link_counters(dispatch(), cluster, 64);
  REQUIRE(counters.size() == 2);
  CHECK(counters[0].name == "gpu0->node0.switch");
  CHECK(counters[1].name == "node0.switch->gpu1");
  REQUIRE(counters[0].values.size() == 2);
  CHECK(counters[0].values[0].first == sim::Time{});
  CHECK(counters[0].values[0].second == doctest::Approx(1));
  CHECK(counters[0].values[1] == std::pair{sim::Time{20us}, 0.0});
  CHECK(tools::link_counters(dispatch(), cluster, 1).size() == 1);
}

TEST_CASE("a GPU holds what was sent to it until its experts are done") {
  // 100 bytes stay, of a peak of 120 with 20 of activations.
  const auto counters =
      tools::memory_counters(dispatch(), {.activations = 20, .peak = 120, .capacity = 200});
  REQUIRE(counters.size() == 2);
  CHECK(counters[0].values == Values{{sim::Time{}, 100}});
  CHECK(counters[1].values == Values{{sim::Time{}, 9'000'100}, {sim::Time{50us}, 100}});
  CHECK(counters[1].rank == 1);
}

TEST_CASE("of training it is each pipeline rank's, up to its peak") {
  // Of rank 1 70 stay, of a peak of 100 with 30 kept at 2 us; of rank 0 40, of 50 with 10 kept.
  workloads::TrainingReport training;
  training.memory = {{.rank = 0, .memory = {.weights = 50}},
                     {.rank = 1, .memory = {.weights = 70, .activations = 30}}};
  training.memory_timeline = {{.rank = 0, .instants = {{0, 10}, {1, 0}}},
                              {.rank = 1, .instants = {{0, 10}, {2, 30}, {3, 0}}}};
  const auto counters = tools::memory_counters(training);
  REQUIRE(counters.size() == 2);
  CHECK(counters[0].rank == 0);
  CHECK(counters[0].values == Values{{sim::Time{}, 50}, {sim::Time{1us}, 40}});
  CHECK(counters[1].rank == 1);
  CHECK(counters[1].values ==
        Values{{sim::Time{}, 80}, {sim::Time{2us}, 100}, {sim::Time{3us}, 70}});
}

TEST_CASE("only a dispatch leads to experts") {
  const auto experts = tools::experts_of_dispatches(dispatch().graph);
  CHECK(experts == std::vector<sim::OpId>{sim::kNoOp, 2, sim::kNoOp});
}
