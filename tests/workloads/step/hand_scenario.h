// Machines and models so simple that a step can be worked out by hand.
//
// A kernel takes 1 us a launch and 1 ps a byte of memory traffic; arithmetic is free. Links within
// a node, and NICs between nodes, carry 1 GB/s each way, that is 1 ns a byte; a path has two links
// of 500 ns. On a group of n, S bytes being the whole buffer,
//   all-reduce      10 us + 2 (n - 1) / n S ns
//   all-gather      20 us + (n - 1) / n S ns
//   reduce-scatter  30 us + (n - 1) / n S ns
//   send            40 us + S ns
//   dispatch        10 us + 1 ns for each byte of the busiest port, a message of a row and 16 bytes
//   combine         10 us + the same without the 16 bytes
// The path's 1 us is in what each starts with: who only sends is done 1 us before who receives.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/plain_collectives.h"
#include "tests/support/temporary_folder.h"
#include "workloads/routing/trace/trace_writer.h"
#include "workloads/run.h"
#include "workloads/step/player.h"

namespace moesim::testing {

using namespace moesim::sim::literals;
using namespace moesim::workloads;

// The roofline of last resort reaches 0.79 of the bandwidth.
inline hardware::Device hand_device() {
  hardware::Device d;
  d.name = "hand";
  d.multiprocessors = 1;
  d.peak[hardware::Precision::BF16] = sim::FlopRate(1e40);
  d.peak[hardware::Precision::FP8] = sim::FlopRate(1e40);
  d.memory = 80_GB;
  d.memory_bandwidth = sim::Bandwidth(1e12 / 0.79);
  d.launch_latency = 1us;
  d.allocation_granularity = 2_MiB;
  return d;
}

// A collective that takes `us` and what its bytes take, always by the wide protocol.
inline hardware::NcclParameters hand_nccl(double us) {
  hardware::NcclParameters p;
  p.quick_us = p.sum_us = 1e9;
  p.wide_us = us;
  p.quick_step_us = p.wide_step_us = p.wide_loss = p.ramp_bytes = p.node_us = 0;
  p.quick_efficiency = p.wide_efficiency = p.sum_efficiency = p.network_efficiency = 1;
  return p;
}

inline void give_hand_collectives(hardware::Cluster& cluster, double send_us = 40) {
  auto models = std::make_shared<hardware::CollectiveModels>(cluster.device);
  models->all_reduce = plain_reach<hardware::NcclModel>(hand_nccl(10));
  models->all_gather = plain_reach<hardware::NcclModel>(hand_nccl(20));
  models->reduce_scatter = plain_reach<hardware::NcclModel>(hand_nccl(30));
  models->send_receive = plain_reach<hardware::NcclModel>(hand_nccl(send_us));
  models->set(hardware::MulticastAlgorithm::DeepEpLowLatency,
              hardware::make_low_latency(plain_both<hardware::DeepEpLlModel>({.startup_us = 10})));
  cluster.collectives = models;
}

// What stands where nobody has fitted anything (hardware/collectives/README.md).
inline void give_default_collectives(hardware::Cluster& cluster) {
  cluster.collectives = hardware::collective_models(cluster.device);
}

inline hardware::Cluster hand_cluster(std::int64_t nodes, std::int64_t gpus_per_node) {
  hardware::Cluster c;
  c.name = "hand";
  c.device = hand_device();
  c.nodes = nodes;
  c.gpus_per_node = gpus_per_node;
  if (gpus_per_node > 1) {
    c.scale_up = {.kind = hardware::ScaleUp::Kind::Switch, .bandwidth = 1_GBps, .latency = 500ns};
  }
  c.scale_out = {.fabric = hardware::ScaleOut::Fabric::NonBlocking,
                 .nics_per_node = gpus_per_node,
                 .bandwidth = 1_GBps,
                 .latency = 500ns,
                 .host_bandwidth = {}};
  give_hand_collectives(c);
  c.topology = hardware::make_topology(c);
  return c;
}
// Two nodes of one GPU.
inline hardware::Cluster hand_cluster() {
  return hand_cluster(2, 1);
}

// 4 heads of 100, 2 of keys and values: 400 + 2 x 200 numbers a token.
inline GqaAttention hand_attention() {
  return {.heads = 4, .kv_heads = 2, .head_dim = 100};
}
inline DenseFfn hand_dense() {
  return {.inter = 500};
}
// 4 experts, top-2, 500 wide.
inline MoeFfn hand_moe() {
  MoeFfn moe;
  moe.experts = 4;
  moe.top_k = 2;
  moe.inter = 500;
  return moe;
}

// Hidden 1000; a layer of each kind, in that order; no head.
inline ModelSpec hand_model(std::vector<LayerKind> layers) {
  ModelSpec m;
  m.name = "hand";
  m.hidden = 1000;
  m.vocab = 100;
  m.head = false;
  m.kinds = std::move(layers);
  for (std::size_t i = 0; i < m.kinds.size(); ++i) m.layers.push_back(i);
  return m;
}
inline LayerKind layer_of(Mixer mixer, Ffn ffn) {
  return {.name = "hand", .mixer = mixer, .ffn = ffn};
}
// One mixture layer without attention.
inline ModelSpec hand_model() {
  return hand_model({layer_of(NoMixer{}, hand_moe())});
}

// On one node of as many GPUs as the layout has. Token t of a step chooses experts t and t + 2,
// modulo 4.
inline Deployment hand_deployment(ModelSpec model, const Parallelism& layout) {
  Deployment d;
  d.model = std::move(model);
  d.cluster = hand_cluster(1, layout.gpus());
  d.layout = layout;
  d.kernels = {.gemm = "roofline", .moe = "roofline", .attention = "roofline"};
  d.all_reduce = hardware::AllReduceLibrary::Nccl;
  d.tokens = hardware::MulticastAlgorithm::DeepEpLowLatency;
  d.network.tolerance = 0;
  d.routing.law = Law::Balanced;
  return d;
}

// Of the four tokens that hand-worked steps of two nodes have.
inline Scenario hand_scenario(const std::filesystem::path& trace) {
  Scenario s;
  s.name = "hand";
  s.deployment = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  s.deployment.cluster = hand_cluster();
  s.deployment.routing = {.trace = trace, .mapping = {}};
  s.question = decode_question(2, 1);
  return s;
}

// The step's time, in which closed form and flows agree.
inline sim::Duration time_of(Deployment deployment, const Batch& batch) {
  const auto with = [&](hardware::Fidelity fidelity) {
    deployment.network.fidelity = fidelity;
    return StepPlayer(deployment, {.fullest = batch}).play(batch).time();
  };
  const sim::Duration bound = with(hardware::Fidelity::Bound);
  CHECK(bound == with(hardware::Fidelity::Fluid));
  return bound;
}

// When operations of that name ran on a rank in the step, in their order.
inline std::vector<sim::Span> spans_of(const PlayedStep& step, const std::string& name,
                                       sim::Rank rank) {
  std::vector<sim::Span> spans;
  const sim::OpGraph& graph = step.built.graph;
  for (sim::OpId id = step.built.first_op; id < graph.size(); ++id) {
    const sim::Op& op = graph.op(id);
    if (op.rank == rank && graph.label(op.label).name == name)
      spans.push_back(step.timeline.spans[id]);
  }
  return spans;
}

}  // namespace moesim::testing
