// A machine and a model so simple that a step can be worked out by hand.
#pragma once

#include <filesystem>
#include <fstream>

#include "tests/support/plain_collectives.h"
#include "workloads/routing/trace/trace_writer.h"
#include "workloads/run.h"

namespace moesim::testing {

using namespace moesim::sim::literals;
using namespace moesim::workloads;

// A folder of its own that goes away again.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / "moesim-hand-worked") {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

// A device on which a kernel takes 1 us to launch and 1 ps a byte of memory traffic; arithmetic is
// free. (The roofline of last resort reaches 0.79 of the bandwidth.)
inline hardware::Device hand_device() {
  hardware::Device d;
  d.name = "hand";
  d.multiprocessors = 1;
  d.peak[hardware::Precision::BF16] = sim::FlopRate(1e40);
  d.memory = 80_GB;
  d.memory_bandwidth = sim::Bandwidth(1e12 / 0.79);
  d.launch_latency = 1us;
  d.allocation_granularity = 2_MiB;
  return d;
}

// Two nodes of one GPU. A NIC carries 1 GB/s, that is 1 ns a byte; a path has two links of 500 ns.
// The all-to-all has a startup of 10 us, the path's 1 us included, and nothing else.
inline hardware::Cluster hand_cluster() {
  hardware::Cluster c;
  c.name = "hand";
  c.device = hand_device();
  c.nodes = 2;
  c.gpus_per_node = 1;
  c.scale_out = {.fabric = hardware::ScaleOut::Fabric::NonBlocking,
                 .nics_per_node = 1,
                 .bandwidth = 1_GBps,
                 .latency = 500ns,
                 .host_bandwidth = {}};
  auto collectives = std::make_shared<hardware::CollectiveModels>(c.device);
  collectives->set(
      hardware::MulticastAlgorithm::DeepEpLowLatency,
      hardware::make_low_latency(plain_both<hardware::DeepEpLlModel>({.startup_us = 10})));
  c.collectives = collectives;
  c.topology = hardware::make_topology(c);
  return c;
}

// One mixture layer of 4 experts and top-2 without attention; hidden 1000, experts 500 wide.
inline ModelSpec hand_model() {
  ModelSpec m;
  m.name = "hand";
  m.hidden = 1000;
  m.vocab = 100;
  m.head = false;
  MoeFfn moe;
  moe.experts = 4;
  moe.top_k = 2;
  moe.inter = 500;
  m.kinds = {{.name = "moe", .mixer = NoMixer{}, .ffn = moe, .cross = {}}};
  m.layers = {0};
  return m;
}

inline Scenario hand_scenario(const std::filesystem::path& trace) {
  Scenario s;
  s.name = "hand";
  s.deployment.model = hand_model();
  s.deployment.cluster = hand_cluster();
  s.deployment.layout = {.dp = 2, .ep = 2};
  s.deployment.routing = {.trace = trace, .mapping = {}};
  s.deployment.kernels = {.gemm = "roofline", .moe = "roofline", .attention = "roofline"};
  s.deployment.tokens = hardware::MulticastAlgorithm::DeepEpLowLatency;
  s.question = decode_question(2, 1);
  s.deployment.network.tolerance = 0;
  return s;
}

}  // namespace moesim::testing
