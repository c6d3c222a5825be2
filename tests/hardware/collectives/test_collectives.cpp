#include <doctest/doctest.h>

#include <numeric>

#include "hardware/collectives/collectives.h"
#include "sim/error.h"
#include "tests/support/clusters.h"
#include "tests/support/plain_collectives.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::AllReduceAlgorithm;
using hardware::AllReduceLibrary;
using hardware::CollectiveModels;
using hardware::Fidelity;
using sim::Bytes;
using testing::play;
using testing::small_cluster;

namespace {

std::vector<sim::Rank> ranks(sim::Rank count) {
  std::vector<sim::Rank> group(count);
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

// Parameters in round numbers: one protocol that is always the quicker.
hardware::NcclParameters plain() {
  hardware::NcclParameters p;
  p.sum_us = 1e9;
  p.quick_us = 1e9;
  p.wide_us = 10;
  p.wide_step_us = 1;
  p.wide_efficiency = 0.8;
  p.wide_loss = 0;
  p.ramp_bytes = 0;
  p.node_us = 5;
  p.network_efficiency = 0.5;
  return p;
}

double us_of(const hardware::Cluster& cluster, const hardware::PricedExchange& priced,
             Fidelity fidelity) {
  return sim::to_us(play(cluster, priced.exchange, fidelity));
}

// The cluster with these parameters for one of NCCL's operations.
hardware::Cluster with(hardware::Cluster cluster,
                       hardware::Reach<hardware::NcclModel> hardware::CollectiveModels::*which,
                       const hardware::NcclParameters& p) {
  const auto models = testing::default_collectives();
  models.get()->*which = testing::plain_reach<hardware::NcclModel>(p);
  cluster.collectives = models;
  return cluster;
}

}  // namespace

TEST_CASE("an idle all-gather takes its closed form in both fidelities") {
  // 8 ranks, 360 MB in all: each sends 7/8, 315 MB, at 450 GB/s x 0.8: 875 us. 10 us + 7 steps.
  const auto cluster = with(small_cluster(1, 8), &CollectiveModels::all_gather, plain());
  const auto exchange = hardware::all_gather(cluster, ranks(8), 360_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(875 + 10 + 7).epsilon(0.001));
  }
}

TEST_CASE("the quick protocol carries what is small") {
  // 4 us + 7 steps of 0.5 us + 7/8 of 8 KB at 450 GB/s x 0.1 (0.156 us); the wide one takes 17 us.
  hardware::NcclParameters p = plain();
  p.quick_us = 4;
  p.quick_step_us = 0.5;
  p.quick_efficiency = 0.1;
  const auto cluster = with(small_cluster(1, 8), &CollectiveModels::all_gather, p);
  const auto exchange = hardware::all_gather(cluster, ranks(8), 8_kB);
  CHECK(us_of(cluster, exchange, Fidelity::Fluid) == doctest::Approx(7.656).epsilon(0.001));
}

TEST_CASE("a ring over nodes sends each device's share over its own NIC") {
  // 2 nodes of 2; 300 MB of all-gather: each rank sends 3/4, 225 MB: half of it, 112.5 MB, over its
  // NIC of 50 GB/s at 0.5: 4,500 us; the other half over NVLink (312.5 us) hides behind it.
  // 10 us + 1 step + 5 us for the second node.
  const auto cluster = with(small_cluster(2, 2), &CollectiveModels::all_gather, plain());
  const auto exchange = hardware::all_gather(cluster, ranks(4), 300_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(4500 + 16).epsilon(0.001));
  }
}

TEST_CASE("NCCL's all-reduce is a ring, or in the switch where that is the quicker") {
  hardware::NcclParameters p = plain();
  p.sum_us = 30;
  p.sum_efficiency = 0.5;
  const auto time = [&](Bytes bytes, AllReduceAlgorithm algorithm) {
    const auto cluster = with(small_cluster(1, 8), &CollectiveModels::all_reduce, p);
    return us_of(cluster,
                 hardware::all_reduce(cluster, ranks(8), bytes, AllReduceLibrary::Nccl, algorithm),
                 Fidelity::Fluid);
  };
  // 9 MB: switch 30 + 1.125 x 40 = 75; ring 17 + 15.75 MB / 360 = 60.75.
  CHECK(time(9_MB, AllReduceAlgorithm::Nvls) == doctest::Approx(75).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::Ring) == doctest::Approx(60.75).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::Quickest) == doctest::Approx(60.75).epsilon(0.001));
  // A ring that starts at 110 us takes 160.75.
  p.wide_us = 110;
  CHECK(time(9_MB, AllReduceAlgorithm::Quickest) == doctest::Approx(75).epsilon(0.001));
}

TEST_CASE("an engine's all-reduce is one shot, two shot or its library's, the quickest") {
  auto cluster = small_cluster(1, 8);
  const auto models = testing::default_collectives();
  models->engine_all_reduce[0] = hardware::CollectiveModel<hardware::CustomAllReduceModel>(
      hardware::CustomAllReduceParameters{2, 0, 0.5, 4, 0, 0.5, 40, 1, 0});
  cluster.collectives = models;
  const auto time = [&](Bytes bytes, AllReduceAlgorithm algorithm) {
    return us_of(
        cluster,
        hardware::all_reduce(cluster, ranks(8), bytes, AllReduceLibrary::Trtllm, algorithm),
        Fidelity::Fluid);
  };
  // 9 kB: one shot 2 + 7 x 9 kB / 225 GB/s = 2.28; two shot 4.07.
  CHECK(time(9_kB, AllReduceAlgorithm::Quickest) == doctest::Approx(2.28).epsilon(0.001));
  // 0.9 MB: one shot 30; two shot 4 + 1.75 x 0.9 MB / 225 = 11; library 40 + 1.575 MB / 450 = 43.5.
  CHECK(time(900_kB, AllReduceAlgorithm::OneShot) == doctest::Approx(30).epsilon(0.001));
  CHECK(time(900_kB, AllReduceAlgorithm::TwoShot) == doctest::Approx(11).epsilon(0.001));
  CHECK(time(900_kB, AllReduceAlgorithm::Quickest) == doctest::Approx(11).epsilon(0.001));
  // 90 MB: two shot 4 + 700; library 40 + 157.5 MB / 450 GB/s = 390.
  CHECK(time(90_MB, AllReduceAlgorithm::Quickest) == doctest::Approx(390).epsilon(0.001));
}

TEST_CASE("every engine's all-reduce was played with the parameters of the last in the file") {
  // 1 MiB over 8 H100, by the fits of H100 tables (configs/devices/h100.fitted.yaml) and what their
  // residual tables have of 8 ranks half-way between 512 KiB and 2 MiB, in permille:
  // TensorRT-LLM  one shot, 2.70 + 7 x 0.0735 + 7.34 MB / (450 GB/s x 0.629) = 29.1; 37, -58: 28.8
  // vLLM          library, 9.59 + 1.835 MB / (450 x 1.02 x (1 - 1.42 / 8)) = 14.45; -2, 19: 14.6
  // SGLang        two shot, 3.89 + 7 x 0.554 + 1.835 MB / (450 x 0.675) = 13.8; -9, 2: 13.8
  // NCCL          wide, 10.95 + 7 x 0.840 + (1.835 + sqrt(1.835 x 1.128)) MB
  //               / (450 x 0.806 x (1 - 0.350 / 8)) = 26.27; -71, 99: 26.64
  // of which all of them played NCCL's, without its residual table.
  const auto cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  const auto time = [&](AllReduceLibrary library) {
    return us_of(cluster, hardware::all_reduce(cluster, ranks(8), Bytes(1 << 20), library),
                 Fidelity::Bound);
  };
  CHECK(time(AllReduceLibrary::Trtllm) == doctest::Approx(28.824).epsilon(2e-5));
  CHECK(time(AllReduceLibrary::Vllm) == doctest::Approx(14.572).epsilon(4e-5));
  CHECK(time(AllReduceLibrary::Sglang) == doctest::Approx(13.764).epsilon(4e-5));
  CHECK(time(AllReduceLibrary::Nccl) == doctest::Approx(26.64).epsilon(1e-3));
}

TEST_CASE("an all-reduce is that of the engine whose GEMMs are used where nobody says whose") {
  CHECK(hardware::default_all_reduce("vllm") == "vllm");
  CHECK(hardware::default_all_reduce("deepgemm") == "trtllm");
  CHECK(hardware::default_all_reduce("") == "trtllm");
  CHECK(hardware::all_reduce_named("sglang") == AllReduceLibrary::Sglang);
  CHECK_THROWS_WITH_AS(
      hardware::all_reduce_named("sgl"),
      "kernels.all_reduce: expected one of trtllm, vllm, sglang, nccl, not \"sgl\"",
      sim::ConfigError);
}

TEST_CASE("algorithms that live in one node refuse a group over two, and NCCL has no shots") {
  const auto over_two = [](AllReduceAlgorithm algorithm) {
    const auto cluster = small_cluster(2, 2);
    (void)hardware::all_reduce(cluster, ranks(4), 1_MB, AllReduceLibrary::Trtllm, algorithm);
  };
  CHECK_THROWS_WITH_AS(over_two(AllReduceAlgorithm::Nvls),
                       "an all-reduce in the switch (nvls) is within a node of more than two",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(over_two(AllReduceAlgorithm::OneShot),
                       "a one-shot or two-shot all-reduce is within a node with NVLink",
                       sim::ConfigError);
  const auto cluster = small_cluster(1, 4);
  CHECK_THROWS_WITH_AS(hardware::all_reduce(cluster, ranks(4), 1_MB, AllReduceLibrary::Nccl,
                                            AllReduceAlgorithm::TwoShot),
                       "a one-shot or two-shot all-reduce is an engine's own, not NCCL's",
                       sim::ConfigError);
}

TEST_CASE("A100's switch was said to add up: NVLS takes NVLink 4 and a switch") {
  hardware::Cluster cluster = small_cluster(1, 8);
  cluster.device.name = "A100 SXM 80GB";
  const auto nvls = [&] {
    return hardware::all_reduce(cluster, ranks(8), 1_MB, AllReduceLibrary::Nccl,
                                AllReduceAlgorithm::Nvls);
  };
  for (const char* generation : {"hopper", "blackwell"}) {
    cluster.device.generation = generation;
    cluster.device.scale_up = 450_GBps;
    CHECK(nvls().alone > sim::Duration{});
    // RTX PRO 6000 is Blackwell on PCI Express 5.0.
    cluster.device.scale_up = 64_GBps;
    CHECK_THROWS_AS(nvls(), sim::ConfigError);
  }
  for (const char* generation : {"ampere", "ada", "volta", "tpu-v4"}) {
    cluster.device.generation = generation;
    cluster.device.scale_up = 300_GBps;
    CHECK_THROWS_WITH_AS(nvls(),
                         "an all-reduce in the switch (nvls) takes NVLink 4 or later and its "
                         "switch, which A100 SXM 80GB has not; a ring (all_reduce_ring) or NCCL's "
                         "choice (all_reduce_nccl) would do",
                         sim::ConfigError);
  }
  // Nor is it NCCL's choice there: a ring of plain() takes 17 + 15.75 MB / 360 = 60.75 us, the sum
  // in a switch 1 + 1.125 x 9 MB / 450 GB/s / 1 = 23.5.
  hardware::NcclParameters p = plain();
  p.sum_us = 1;
  p.sum_efficiency = 1;
  for (const auto& [generation, us] : {std::pair{"ampere", 60.75}, std::pair{"hopper", 23.5}}) {
    hardware::Cluster one = with(small_cluster(1, 8), &CollectiveModels::all_reduce, p);
    one.device.generation = generation;
    one.device.scale_up = 450_GBps;
    CHECK(us_of(one, hardware::all_reduce(one, ranks(8), 9_MB, AllReduceLibrary::Nccl),
                Fidelity::Fluid) == doctest::Approx(us).epsilon(0.001));
  }
}

TEST_CASE("a rank alone exchanges nothing and takes no time") {
  const auto cluster = small_cluster(1, 8);
  CHECK(play(cluster,
             hardware::all_reduce(cluster, ranks(1), 1_MB, AllReduceLibrary::Trtllm).exchange,
             Fidelity::Fluid) == sim::Duration{});
  CHECK(hardware::send(cluster, 3, 3, 1_MB).exchange.transfers.empty());
}

TEST_CASE("a send between nodes takes the NIC at its efficiency") {
  // 50 MB at 50 GB/s x 0.5: 2,000 us; 10 us and 5 us for the other node.
  const auto cluster = with(small_cluster(2, 1), &CollectiveModels::send_receive, plain());
  CHECK(us_of(cluster, hardware::send(cluster, 1, 0, 50_MB), Fidelity::Fluid) ==
        doctest::Approx(2015).epsilon(0.001));
}

TEST_CASE("an all-to-all is as long as its busiest port") {
  // 8 ranks, 360 MB each: 45 MB to every one, 315 MB out at 450 x 0.8: 875 us, 10 us + 7 steps.
  const auto cluster = with(small_cluster(1, 8), &CollectiveModels::all_to_all, plain());
  const auto exchange = hardware::all_to_all(cluster, ranks(8), 360_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(892).epsilon(0.001));
  }
}

TEST_CASE("more bytes never take less time") {
  const auto with_defaults = small_cluster(2, 4);
  double last[4] = {};
  for (std::int64_t bytes = 1024; bytes < (1 << 30); bytes *= 2) {
    CAPTURE(bytes);
    const double now[4] = {
        us_of(with_defaults,
              hardware::all_reduce(with_defaults, ranks(4), Bytes(bytes), AllReduceLibrary::Vllm),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::all_gather(with_defaults, ranks(8), Bytes(bytes)),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::all_to_all(with_defaults, ranks(8), Bytes(bytes)),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::send(with_defaults, 0, 5, Bytes(bytes)), Fidelity::Fluid)};
    for (int i = 0; i < 4; ++i) {
      CAPTURE(i);
      CHECK(now[i] >= last[i]);
      last[i] = now[i];
    }
  }
}

TEST_CASE("through the host of a node each doubling of ranks leaves a part of the links") {
  using namespace hardware;
  // 1 MB in a ring of 2: each sends 1 MB at 100 GB/s x 0.5, 20 us, beside 3; of 4 1.5 MB at a
  // quarter of that, 120 us, and two steps of 1 us more; of 8 1.75 MB at a sixteenth, 560 us.
  Rates rates;
  rates.link = 100e3;
  const NcclParameters p{.quick_us = 1e6,
                         .wide_us = 2,
                         .wide_step_us = 1,
                         .wide_efficiency = 0.5,
                         .wide_loss = 1e-9,
                         .ramp_bytes = 1e-9,
                         .doubling_efficiency = 0.25};
  NcclShape shape{.operation = NcclOperation::AllReduce, .bytes = 1e6, .through_host = true};
  const auto us = [&](double ranks) {
    shape.ranks = ranks;
    return NcclModel::us(shape, rates, p);
  };
  CHECK(us(2) == doctest::Approx(3 + 20));
  CHECK(us(4) == doctest::Approx(5 + 120));
  CHECK(us(8) == doctest::Approx(9 + 560));
  // Times of two ranks tell nothing of it, nor do those of a switch.
  CHECK(NcclModel::tells("doubling_efficiency", shape));
  shape.ranks = 2;
  CHECK_FALSE(NcclModel::tells("doubling_efficiency", shape));
  shape.through_host = false;
  CHECK(us(8) == doctest::Approx(9 + 35));
  CHECK_FALSE(NcclModel::tells("doubling_efficiency", shape));
  // A send is between two, whatever their node has.
  shape = {.operation = NcclOperation::SendReceive, .ranks = 8, .bytes = 1e6, .through_host = true};
  CHECK(NcclModel::us(shape, rates, p) == doctest::Approx(2 + 20));
}
