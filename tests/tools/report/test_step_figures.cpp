#include "tools/report/step_figures.h"

#include <doctest/doctest.h>

#include "hardware/network/topology.h"

using namespace moesim;
using namespace moesim::tools;

TEST_CASE("experts are drawn over their layer's mean") {
  // 6 selections of 3 experts: a mean of 2. Layer 5 has one expert fewer, a mean of 4.
  workloads::Report report;
  report.layers = {{.layer = 3, .experts = {}, .expert_counts = {4, 2, 0}},
                   {.layer = 5, .experts = {}, .expert_counts = {6, 2}}};
  const auto figure = experts_figure(report);
  REQUIRE(figure);
  const auto& map = std::get<Heat>(figure->chart);
  CHECK(map.rows == std::vector<std::string>{"3", "5"});
  CHECK(map.values == std::vector<double>{2, 1, 0, 1.5, 0.5, 0});
  CHECK_FALSE(experts_figure(workloads::Report{}));
}

TEST_CASE("bytes from rank to rank are those of all exchanges, transfers and messages") {
  // 0 to 1: 3 MB and 2 messages of 1 MB; 1 to 0: 1 message; what stays at home counts nowhere.
  sim::OpGraph graph(2);
  CHECK_FALSE(rank_bytes_figure(graph));
  graph.add_exchange({.participants = {0, 1},
                      .transfers = {{0, 1, sim::Bytes(3'000'000)}, {1, 1, sim::Bytes(9'000'000)}}});
  const std::vector<std::uint32_t> counts{5, 2, 1, 0};
  graph.add_exchange(
      {.participants = {0, 1},
       .messages = {.counts = std::make_shared<const std::vector<std::uint32_t>>(counts),
                    .size = sim::Bytes(1'000'000)}});
  const auto figure = rank_bytes_figure(graph);
  REQUIRE(figure);
  const auto& map = std::get<Heat>(figure->chart);
  CHECK(map.unit == "MB");
  CHECK(map.values == std::vector<double>{0, 5, 1, 0});
}

TEST_CASE("a link is one line for both directions, as busy as its busier one") {
  const auto cluster = hardware::load_cluster("configs/clusters/h100-1x2.yaml");
  const auto figure = topology_figure(
      *cluster.topology,
      {{"gpu0->node0.switch", 0.2}, {"node0.switch->gpu0", 0.4}, {"gpu1->node0.switch", 0.1}});
  REQUIRE(figure);
  const auto& graph = std::get<Graph>(figure->chart);
  CHECK(graph.nodes.size() == cluster.topology->vertices.size());
  CHECK(graph.links.size() * 2 == cluster.topology->links.size());
  CHECK(figure->sentence.ends_with("the busiest is so 40.0 % of the time."));
  std::map<std::string, const Graph::Link*> from;
  for (const auto& link : graph.links) from[graph.nodes[link.from].name] = &link;
  CHECK(from.at("gpu0")->share == 1);
  CHECK(from.at("gpu0")->text == "20.0 % busy there, 40.0 % back");
  CHECK(from.at("gpu1")->share == 0.25);
  // A machine of more than 64 nodes is not drawn.
  CHECK_FALSE(
      topology_figure(*hardware::load_cluster("configs/clusters/h100-128x8.yaml").topology, {}));
}

TEST_CASE("a timeline shows two dispatches and what lies between them") {
  const auto scenario = workloads::load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                                                 {"step.count=1", "network=bound"});
  const auto result = workloads::run(scenario, {.keep_timeline = true});
  const Figure figure = timeline_figure(*result.recording);
  // 32 layers: the middle one of dispatches 0 to 31 is 15, the second after it 17.
  CHECK(figure.sentence == "From dispatch L15 to dispatch L17 of the first step.");
  const auto& chart = std::get<Slices>(figure.chart);
  CHECK(chart.tracks.size() == 16);
  CHECK(chart.tracks[1] == "gpu0 network");
  double end = 0;
  for (const auto& slice : chart.slices) {
    CHECK(slice.from >= 0);
    CHECK(slice.to >= slice.from);
    end = std::max(end, slice.to);
  }
  // Two of 32 layers of the step.
  CHECK(end == doctest::Approx(result.report.step_time_us.mean / 16).epsilon(0.1));
  CHECK(figure.table->rows.size() == chart.slices.size());
}
