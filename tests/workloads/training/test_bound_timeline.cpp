#include "workloads/training/bound_timeline.h"

#include <doctest/doctest.h>

#include <array>

#include "hardware/network/network_model.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "tests/workloads/training/hand_training.h"
#include "workloads/step/rank_ops.h"
#include "workloads/training/chunk_table.h"

using namespace moesim;
using namespace moesim::testing;

TEST_CASE("operations one by one take the time that events give, to the picosecond") {
  // A pass, and one woven with another, whose exchanges are not of equal bytes.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  q.overlap.expert = true;
  hardware::ClusterNetwork network(d.cluster.topology);
  for (const Graphs graphs : {Graphs::All, Graphs::None}) {
    d.host = {.graphs = graphs, .per_operation = 3us};
    ChunkTable chunks(d, q);
    for (const ChunkPass& pass :
         {ChunkPass{PassKind::Forward}, ChunkPass{PassKind::Backward},
          ChunkPass{.kind = PassKind::Forward, .beside = ChunkPass::Beside{}}}) {
      const ChunkTable::Recorded recorded = chunks.record(pass);
      sim::Engine engine;
      const auto model = hardware::make_network_model(network, hardware::Fidelity::Bound, engine);
      const sim::Timeline events = sim::execute(recorded.graph, engine, *model);
      hardware::BoundClocks clocks(network, false);
      const sim::Timeline timeline = bound_timeline(recorded.graph, clocks);
      CHECK(timeline.finish == events.finish);
      REQUIRE(timeline.spans.size() == events.spans.size());
      for (std::size_t i = 0; i < events.spans.size(); ++i) {
        CHECK(timeline.spans[i].start == events.spans[i].start);
        CHECK(timeline.spans[i].end == events.spans[i].end);
      }
    }
  }
}

TEST_CASE("a rank waits for an exchange's last byte, and a stream for what was added before") {
  // Rank 1 comes 5 us late; 1,000 B take 1 us, the path 1 us more for who receives.
  sim::OpGraph graph(2, kStreams);
  const sim::LabelId label = graph.add_label({});
  const sim::OpId late = graph.add_compute(1, kComputeStream, label, 5us, {});
  const sim::ExchangeId id =
      graph.add_exchange({.participants = {0, 1}, .transfers = {{0, 1, sim::Bytes(1000)}}});
  const sim::OpId first = graph.add_part(id, 0, kNetworkStream, label, {});
  const sim::OpId second = graph.add_part(id, 1, kNetworkStream, label, std::array{late});
  const sim::OpId next = graph.add_compute(1, kComputeStream, label, 2us, std::array{second});
  const hardware::Cluster cluster = hand_cluster(1, 2);
  hardware::ClusterNetwork network(cluster.topology);
  hardware::BoundClocks clocks(network, false);
  const sim::Timeline timeline = bound_timeline(graph, clocks);
  CHECK(timeline.spans[first].start == sim::Time{});
  CHECK(timeline.spans[first].end == sim::Time{6us});
  CHECK(timeline.spans[second].end == sim::Time{7us});
  CHECK(timeline.spans[next].end == sim::Time{9us});
  CHECK(timeline.finish == sim::Time{9us});
}
