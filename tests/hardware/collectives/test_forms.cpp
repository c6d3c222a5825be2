// Each closed form is fitted and played: what is played, alone on an idle network, takes the form's
// time to the picosecond.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "hardware/collectives/build.h"
#include "hardware/collectives/collectives.h"
#include "hardware/collectives/forms/deepep_low_latency.h"
#include "hardware/collectives/forms/hybrid_ep.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/multicast.h"
#include "hardware/collectives/switch_sums.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::hardware;
using sim::Bytes;
using testing::play;
using testing::small_cluster;

namespace {

using testing::small_cluster;

std::vector<sim::Rank> ranks(std::int64_t count) {
  std::vector<sim::Rank> group(static_cast<std::size_t>(count));
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

struct Grid {
  std::int64_t nodes, per_node;
};
constexpr std::array<Grid, 7> kGrids{{{1, 2}, {1, 4}, {1, 8}, {2, 8}, {4, 8}, {2, 1}, {3, 4}}};
constexpr std::array<std::int64_t, 6> kSizes{768, 24'576, 3 << 18, 12 << 20, 192 << 20, 3 << 29};
// None: no fit at all. H200 and A100 carry H100's over, A100 from another generation.
constexpr std::array kDevices{"", "h100", "h200", "a100"};

Cluster cluster_of(const std::string& device, const Grid& grid) {
  Cluster cluster = small_cluster(grid.nodes, grid.per_node);
  if (!device.empty()) cluster.device = load_device("configs/devices/" + device + ".yaml");
  cluster.collectives = collective_models(cluster.device);
  return cluster;
}

// Bytes, startups and ports are rounded to a picosecond each.
void check_played(const Cluster& cluster, const PricedExchange& priced) {
  for (const Fidelity fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    const sim::Duration played = play(cluster, priced.exchange, fidelity);
    const double rounding = 4 + 1e-9 * static_cast<double>(priced.alone.count());
    CHECK(std::abs(static_cast<double>((played - priced.alone).count())) <= rounding);
  }
}

template <class M>
void check_form(const PricedExchange& priced, const CollectiveModel<M>& model,
                const typename M::Shape& shape, const Cluster& cluster) {
  const double us = model.estimate(shape, rates_of(cluster)).us;
  CHECK(std::abs(sim::to_us(priced.alone) - us) <= 1e-6 + 1e-9 * us);
}

template <class Visit>
void for_each_cluster(Visit visit) {
  for (const char* device : kDevices) {
    for (const Grid& grid : kGrids) {
      CAPTURE(std::string(device));
      CAPTURE(grid.nodes);
      CAPTURE(grid.per_node);
      visit(cluster_of(device, grid), grid);
    }
  }
}

}  // namespace

TEST_CASE("what NCCL's form says is what is played") {
  using Op = NcclOperation;
  using Build = PricedExchange (*)(const Cluster&, std::span<const sim::Rank>, Bytes);
  struct Case {
    Op operation;
    Build build;
    Reach<NcclModel> CollectiveModels::*model;
  };
  const std::array cases{Case{Op::AllReduce,
                              [](const Cluster& c, std::span<const sim::Rank> group, Bytes bytes) {
                                return all_reduce(c, group, bytes, AllReduceLibrary::Nccl);
                              },
                              &CollectiveModels::all_reduce},
                         Case{Op::AllGather, all_gather, &CollectiveModels::all_gather},
                         Case{Op::ReduceScatter, reduce_scatter, &CollectiveModels::reduce_scatter},
                         Case{Op::AllToAll,
                              [](const Cluster& c, std::span<const sim::Rank> group, Bytes bytes) {
                                return all_to_all(c, group, bytes);
                              },
                              &CollectiveModels::all_to_all},
                         Case{Op::Broadcast, broadcast, &CollectiveModels::broadcast}};
  for_each_cluster([&](const Cluster& cluster, const Grid& grid) {
    const auto group = ranks(grid.nodes * grid.per_node);
    for (const Case& one : cases) {
      for (const std::int64_t size : kSizes) {
        CAPTURE(static_cast<int>(one.operation));
        CAPTURE(size);
        const PricedExchange priced = one.build(cluster, group, Bytes(size));
        check_played(cluster, priced);
        check_form(priced, (cluster.collectives.get()->*one.model).over(grid.nodes > 1 ? 2 : 1),
                   {.operation = one.operation,
                    .ranks = static_cast<double>(grid.per_node),
                    .bytes = static_cast<double>(size),
                    .nodes = static_cast<double>(grid.nodes),
                    .has_switch = sums_in_switch(cluster.device)},
                   cluster);
      }
    }
  });
}

TEST_CASE("what the form of a send says is what is played") {
  for_each_cluster([&](const Cluster& cluster, const Grid& grid) {
    for (const std::int64_t size : kSizes) {
      CAPTURE(size);
      const auto last = static_cast<sim::Rank>(grid.nodes * grid.per_node - 1);
      const PricedExchange priced = send(cluster, last, 0, Bytes(size));
      check_played(cluster, priced);
      check_form(priced, cluster.collectives->send_receive.over(grid.nodes > 1 ? 2 : 1),
                 {.operation = NcclOperation::SendReceive,
                  .ranks = grid.nodes > 1 ? 1.0 : 2.0,
                  .bytes = static_cast<double>(size),
                  .nodes = grid.nodes > 1 ? 2.0 : 1.0},
                 cluster);
    }
  });
}

TEST_CASE("what an engine's all-reduce takes by its form is what is played, whatever its branch") {
  using Algorithm = AllReduceAlgorithm;
  for_each_cluster([&](const Cluster& cluster, const Grid& grid) {
    if (grid.nodes > 1) return;
    for (const auto library :
         {AllReduceLibrary::Trtllm, AllReduceLibrary::Vllm, AllReduceLibrary::Sglang}) {
      const auto& model = cluster.collectives->engine_all_reduce[static_cast<std::size_t>(library)];
      for (const std::int64_t size : kSizes) {
        CAPTURE(static_cast<int>(library));
        CAPTURE(size);
        AllReduceShape shape{.ranks = static_cast<double>(grid.per_node),
                             .bytes = static_cast<double>(size)};
        const auto group = ranks(grid.per_node);
        const auto quickest = all_reduce(cluster, group, Bytes(size), library);
        check_played(cluster, quickest);
        check_form(quickest, model, shape, cluster);
        for (const auto& [algorithm, branch] :
             {std::pair{Algorithm::OneShot, AllReduceBranch::OneShot},
              std::pair{Algorithm::TwoShot, AllReduceBranch::TwoShot}}) {
          const auto forced = all_reduce(cluster, group, Bytes(size), library, algorithm);
          check_played(cluster, forced);
          shape.branch = branch;
          check_form(forced, model, shape, cluster);
          CHECK(forced.alone >= quickest.alone);
        }
      }
    }
  });
}

TEST_CASE("what the forms of rows by nodes say of balanced rows is what is played") {
  // A row for every rank: as many groups as ranks, and all of them chosen. Then the form's expected
  // spread is the exact one: each rank copies a row to all n, and sends it to every other node
  // once.
  for_each_cluster([&](const Cluster& cluster, const Grid& grid) {
    if (grid.per_node != 8) return;  // the form's nodes are of eight
    const auto n = static_cast<std::size_t>(grid.nodes * grid.per_node);
    for (const auto algorithm : {MulticastAlgorithm::DeepEpNormal, MulticastAlgorithm::HybridEp}) {
      for (const std::int64_t rows : {1, 32, 1000, 8192}) {
        const std::vector<std::uint32_t> copies(n * n, static_cast<std::uint32_t>(rows));
        const std::vector<std::uint32_t> node_copies(n * static_cast<std::size_t>(grid.nodes),
                                                     static_cast<std::uint32_t>(rows));
        for (const bool back : {false, true}) {
          CAPTURE(static_cast<int>(algorithm));
          CAPTURE(rows);
          CAPTURE(back);
          const MulticastShape shape{.row_bytes = back ? 14336.0 : 7392.0,
                                     .width = 7168,
                                     .rows = rows,
                                     .top_k = static_cast<std::int64_t>(n),
                                     .groups = static_cast<std::int64_t>(n),
                                     .sms = 20};
          const auto priced =
              (back ? combine : dispatch)(cluster, ranks(grid.nodes * grid.per_node), algorithm,
                                          {nullptr, copies, node_copies}, shape);
          check_played(cluster, priced);
          const DeepEpShape asked{.nodes = static_cast<double>(grid.nodes),
                                  .hidden = 7168,
                                  .tokens = static_cast<double>(rows),
                                  .top_k = static_cast<double>(n),
                                  .groups = static_cast<double>(n),
                                  .sms = 20,
                                  .combine = back};
          const std::string variant =
              std::string(back ? "combine" : "dispatch") + (grid.nodes > 1 ? "_internode" : "");
          if (algorithm == MulticastAlgorithm::HybridEp)
            check_form(priced, choose_model<HybridEpModel>(cluster.device, "hybrid_ep", variant),
                       asked, cluster);
          else
            check_form(priced, choose_model<DeepEpNormalModel>(cluster.device, "deepep", variant),
                       asked, cluster);
        }
      }
    }
  });
}

TEST_CASE("what the form of low-latency messages says of balanced ones is what is played") {
  for_each_cluster([&](const Cluster& cluster, const Grid& grid) {
    if (grid.per_node != 8) return;
    const auto n = static_cast<std::size_t>(grid.nodes * grid.per_node);
    for (const std::int64_t rows : {32, 128, 1024}) {  // of 8 choices: rows x 8 / n to each rank
      const auto each = static_cast<std::uint32_t>(rows * 8 / static_cast<std::int64_t>(n));
      const auto selections = std::make_shared<const std::vector<std::uint32_t>>(n * n, each);
      for (const bool back : {false, true}) {
        CAPTURE(rows);
        CAPTURE(back);
        const auto priced =
            (back ? combine : dispatch)(cluster, ranks(grid.nodes * grid.per_node),
                                        MulticastAlgorithm::DeepEpLowLatency, {selections, {}, {}},
                                        {.row_bytes = back ? 14336.0 : 7392.0,
                                         .width = 7168,
                                         .rows = rows,
                                         .top_k = 8,
                                         .groups = 256,
                                         .sms = 20});
        check_played(cluster, priced);
        const std::string variant =
            std::string(back ? "combine" : "dispatch") + (grid.nodes > 1 ? "_internode" : "");
        check_form(priced, choose_model<DeepEpLlModel>(cluster.device, "deepep", variant),
                   {.nodes = static_cast<double>(grid.nodes),
                    .hidden = 7168,
                    .tokens = static_cast<double>(rows),
                    .top_k = 8,
                    .groups = 256,
                    .combine = back},
                   cluster);
      }
    }
  });
}

TEST_CASE("ranks that share a NIC are as long as its bytes need, alone or together") {
  // 2 nodes of 4 with 2 NICs of 50 GB/s: ranks 0 and 1 share one. A send of 100 MB from rank 0
  // alone has all of it, and so has that of rank 2 beside rank 4's: 2 ms at full efficiency each.
  Cluster cluster = small_cluster(2, 4);
  cluster.scale_out.nics_per_node = 2;
  cluster.topology = make_topology(cluster);
  for (const std::int64_t count : {8, 6}) {
    std::vector<sim::Transfer> transfers;
    for (sim::Rank r = 0; r < 4; ++r)
      if (r + 4 < count) transfers.push_back({r, r + 4, Bytes(100'000'000)});
    check_played(cluster, all_to_all(cluster, ranks(count), transfers));
  }
  check_played(cluster, send(cluster, 0, 4, Bytes(100'000'000)));
  check_played(cluster, all_gather(cluster, ranks(8), Bytes(100'000'000)));
}

TEST_CASE("a group whose nodes are of different sizes is as long as the form says") {
  // Ranks 0 to 3 of one node, 4 and 5 of the other: the ring's busiest ports are those of the
  // smaller node, which carry as much as four's.
  const Cluster cluster = cluster_of("h100", {2, 4});
  for (const std::int64_t size : kSizes) {
    const PricedExchange priced = all_gather(cluster, ranks(6), Bytes(size));
    const sim::Duration played = play(cluster, priced.exchange, Fidelity::Bound);
    CHECK(std::abs(static_cast<double>((played - priced.alone).count())) <= 4);
  }
}

TEST_CASE("over links that were listed one by one a collective took no time of its NIC") {
  // 2 nodes of 2 H100, each with a link of 50 GB/s of its own. An all-gather of 64 MB: each rank
  // sends 48 MB, half of it over its link: 24 MB at 0.9 of 50 GB/s are more than 533 us. Its path's
  // 2 us are the links' own, beyond the form's.
  const Cluster cluster = parse_cluster(
      "name: listed\n"
      "device: ../devices/h100.yaml\n"
      "nodes: 2\n"
      "gpus_per_node: 2\n"
      "scale_up: {kind: switch, bandwidth: 450 GB/s, latency: 250 ns}\n"
      "scale_out: {fabric: listed}\n"
      "topology:\n"
      "  switches: [sw]\n"
      "  links:\n"
      "    - {between: [gpu0, sw], bandwidth: 400 Gbit/s, latency: 1 us}\n"
      "    - {between: [gpu1, sw], bandwidth: 400 Gbit/s, latency: 1 us}\n"
      "    - {between: [gpu2, sw], bandwidth: 400 Gbit/s, latency: 1 us}\n"
      "    - {between: [gpu3, sw], bandwidth: 400 Gbit/s, latency: 1 us}\n"
      "source: a test\n",
      "configs/clusters");
  const PricedExchange priced = all_gather(cluster, ranks(4), Bytes(64'000'000));
  const sim::Duration played = play(cluster, priced.exchange, Fidelity::Bound);
  CHECK(sim::to_us(priced.alone) > 533);
  CHECK(std::abs(static_cast<double>((played - priced.alone).count()) - 2e6) <= 4);
}
