#include "workloads/training/slow_links.h"

#include <doctest/doctest.h>

#include "hardware/network/topology.h"
#include "tests/workloads/training/hand_training.h"
#include "workloads/training/pipeline_step.h"
#include "workloads/training/step_time.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// The links of a vertex at a part of their capacity, or down.
void slow(hardware::Cluster& cluster, const std::string& name, double part) {
  auto topology = *cluster.topology;
  for (hardware::Link& link : topology.links)
    if (topology.vertices[link.from].name == name || topology.vertices[link.to].name == name)
      link.capacity = link.capacity * part;
  topology.reroutes = part == 0;
  cluster.topology = std::make_shared<const hardware::Topology>(std::move(topology));
}

// A dense layer, whose parameters all replicas hold.
Deployment job(const Parallelism& layout, std::int64_t nodes) {
  ModelSpec model = hand_model({layer_of(NoMixer{}, hand_dense())});
  model.layers.assign(static_cast<std::size_t>(layout.pp), 0);
  Deployment d = hand_deployment(model, layout);
  d.cluster = hand_cluster(nodes, layout.gpus() / nodes);
  d.network.fidelity = hardware::Fidelity::Bound;
  return d;
}

sim::Duration reduction(const Deployment& d, const TrainingQuestion& q) {
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  return DataParallel(d, q, schedule, kernels).of(0, 0).reduce;
}

}  // namespace

TEST_CASE("a ring of gradients has the bandwidth of its slowest port") {
  // On four nodes of one GPU an all-reduce of S bytes takes 10 us + 3/2 S ns; with a NIC at half of
  // its bandwidth 10 us + 3 S ns.
  Deployment d = job({.dp = 4}, 4);
  TrainingQuestion q = hand_question();
  q.global_batch = 8;
  CHECK_FALSE(SlowLinks(d.cluster).any());
  const sim::Duration usual = reduction(d, q);
  slow(d.cluster, "node2.nic0", 0.5);
  CHECK(SlowLinks(d.cluster).any());
  CHECK(reduction(d, q) == 2 * usual - 10us);
}

TEST_CASE("where a NIC is down two rings share another") {
  // Ranks 0 and 1 on a node, 2 and 3 on the other, tp 2: rings over {0, 2} and {1, 3}, each on a
  // NIC of its own. Without rank 1's the second goes over rank 0's: twice the bytes there, and two
  // links within the node more, of 500 ns each.
  Deployment d = job({.tp = 2, .dp = 2}, 2);
  TrainingQuestion q = hand_question();
  const sim::Duration usual = reduction(d, q);
  slow(d.cluster, "node0.nic1", 0);
  const sim::Duration late = reduction(d, q);
  CHECK(late >= 2 * usual - 10us);
  CHECK(late <= 2 * usual - 10us + 2us);
}

TEST_CASE("a send takes the slowest place of its border") {
  // Two stages on two nodes of two GPUs; the second replica's NIC has a tenth of its bandwidth.
  Deployment d = job({.pp = 2, .dp = 2}, 2);
  TrainingQuestion q = hand_question();
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.embedding = true, .layers = 1}, {.first_layer = 1, .layers = 1, .loss = true}};
  const auto send = [&] {
    const hardware::Kernels kernels(d.cluster.device, d.kernels);
    ChunkTable chunks(d, q);
    const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
    const DataParallel replicas(d, q, schedule, kernels);
    return PipelineStep(d, q, schedule, replicas, chunks).times(0).send;
  };
  // 2 tokens of 1,000 numbers of 2 B: 40 us + 4,000 ns.
  CHECK(send() == 44us);
  slow(d.cluster, "node1.nic1", 0.1);
  CHECK(send() == 80us);
}

TEST_CASE("a fault that the played group does not meet is refused") {
  Deployment d = job({.dp = 8, .ep = 2}, 4);
  d.model = hand_model();
  CHECK(slow_links_problem(d).empty());
  Deployment first = d;
  slow(first.cluster, "gpu1", 0.5);
  CHECK(slow_links_problem(first).empty());
  // No expert group exchanges anything over a NIC here.
  Deployment nic = d;
  slow(nic.cluster, "node1.nic0", 0.5);
  CHECK(slow_links_problem(nic).empty());
  slow(d.cluster, "gpu2", 0.5);
  CHECK(
      slow_links_problem(d) ==
      "training plays what ranks exchange within a layer on the first expert group, ranks 0 to 1, "
      "and a fault slows links of the group of ranks 2 to 3: at the first group's links it would "
      "be played, for all groups");
}
