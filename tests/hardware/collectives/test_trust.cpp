// What a collective's price says of itself.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "hardware/collectives/collectives.h"
#include "hardware/collectives/models.h"
#include "hardware/collectives/multicast.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::hardware;
using namespace moesim::sim::literals;

namespace {

std::vector<sim::Rank> ranks(sim::Rank count) {
  std::vector<sim::Rank> group(count);
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

Cluster cluster_of(const std::string& device, std::int64_t nodes, std::int64_t per_node) {
  Cluster cluster = testing::small_cluster(nodes, per_node);
  cluster.device = load_device("configs/devices/" + device + ".yaml");
  cluster.collectives = collective_models(cluster.device);
  return cluster;
}

Trust of_all_reduce(const Cluster& cluster, sim::Rank count,
                    AllReduceLibrary library = AllReduceLibrary::Trtllm) {
  return all_reduce(cluster, ranks(count), 1_MiB, library).trust;
}

}  // namespace

TEST_CASE("a price by a fit has the fit's percentiles and names it") {
  // configs/devices/h100.fitted.yaml, custom_allreduce trtllm graph: [0.9262, 0.9406, 1.0714,
  // 1.0939].
  const Cluster cluster = cluster_of("h100", 1, 8);
  const Trust trust = of_all_reduce(cluster, 8);
  CHECK(trust.low == doctest::Approx(0.9262));
  CHECK(trust.p10 == doctest::Approx(0.9406));
  CHECK(trust.p90 == doctest::Approx(1.0714));
  CHECK(trust.high == doctest::Approx(1.0939));
  REQUIRE(trust.use != nullptr);
  CHECK(trust.use->kind == "custom_allreduce");
  CHECK(trust.use->used == "trtllm graph");
  CHECK(trust.use->axes[1].name == "ranks");
  CHECK_FALSE(trust.extrapolated());
  CHECK(reason_of(*trust.use, trust.outside).empty());
}

TEST_CASE("a copy of a cluster prices by the same models") {
  const Cluster cluster = cluster_of("h100", 1, 8);
  const std::vector<Cluster> copies(1, cluster);
  CHECK(of_all_reduce(cluster, 8).use == of_all_reduce(copies[0], 8).use);
}

TEST_CASE("a group that no fit has seen is outside by its ranks, and doubted more") {
  // 72 ranks of a node, beyond 8: what sizes held out whole miss by, ln 1.1584 = 0.1470, up to 32;
  // from there 0.15 sqrt(ln(72 / 32)) = 0.1351 at the 95th percentile, 0.1052 at the 90th:
  // e^0.1808 = 1.1982.
  const Cluster cluster = cluster_of("h100", 1, 72);
  const Trust trust = of_all_reduce(cluster, 72);
  CHECK(trust.outside == 2);  // bytes, ranks
  CHECK(trust.p90 == doctest::Approx(1.1982).epsilon(1e-3));
  CHECK(trust.extrapolated());
  CHECK(reason_of(*trust.use, trust.outside) ==
        "custom_allreduce trtllm graph: ranks other than 2, 4, 8");
}

TEST_CASE("a group between those that were counted was said to lie beyond 2 to 8") {
  const Cluster cluster = cluster_of("h100", 1, 8);
  const Trust trust = of_all_reduce(cluster, 6);
  CHECK(reason_of(*trust.use, trust.outside) ==
        "custom_allreduce trtllm graph: ranks other than 2, 4, 8");
}

TEST_CASE("a fit that was carried over from a device is doubted more") {
  // H200 from H100: 6 % as independent errors: hypot(ln 1.0939, 0.06) = 0.1080: 1.1141.
  // What a price points to is the cluster's.
  const Cluster h200 = cluster_of("h200", 1, 8), a100 = cluster_of("a100", 1, 8);
  const Trust hopper = of_all_reduce(h200, 8);
  CHECK(hopper.high == doctest::Approx(1.1141).epsilon(1e-3));
  CHECK(hopper.use->carried_from == "H100 SXM");
  CHECK_FALSE(hopper.extrapolated());
  const Trust ampere = of_all_reduce(a100, 8);
  CHECK(ampere.high > std::exp(0.45));
  CHECK(ampere.extrapolated());
}

TEST_CASE("over nodes NCCL's price is by round figures of the network, and says so") {
  const Cluster cluster = cluster_of("h100", 2, 8);
  const Trust trust = all_gather(cluster, ranks(16), 1_MiB).trust;
  CHECK(trust.use->asked == "nccl all_gather_internode");
  CHECK(trust.use->used == "nccl all_gather");
  CHECK(trust.extrapolated());
  CHECK(trust.p90 > 1.2);
  // An engine's own kernels are for one node: NCCL's model prices what goes over several.
  CHECK(of_all_reduce(cluster, 16).use->used == "nccl all_reduce");
}

TEST_CASE("what no device has a fit of is priced by defaults, with their doubt") {
  const Cluster cluster = cluster_of("h100", 1, 8);
  const std::vector<std::uint32_t> copies(64, 100), node_copies(8, 100);
  const Trust trust =
      dispatch(cluster, ranks(8), MulticastAlgorithm::HybridEp, {nullptr, copies, node_copies},
               {.row_bytes = 7392, .width = 7168, .rows = 100, .top_k = 8, .groups = 64})
          .trust;
  CHECK(trust.use->used == "defaults");
  CHECK(trust.p10 == doctest::Approx(0.85));
  CHECK(trust.p90 == doctest::Approx(1.2));
  CHECK(reason_of(*trust.use, trust.outside) ==
        "hybrid_ep hybrid_ep dispatch: no fit, defaults stands in");
  // On another generation they are doubted as a fit of another is.
  Cluster other = cluster_of("a100", 1, 8);
  const Trust far =
      dispatch(other, ranks(8), MulticastAlgorithm::HybridEp, {nullptr, copies, node_copies},
               {.row_bytes = 7392, .width = 7168, .rows = 100, .groups = 64})
          .trust;
  CHECK(far.p90 > 1.4);
}

TEST_CASE("an exchange of nothing is trusted whole, and takes no time") {
  const Cluster cluster = cluster_of("h100", 1, 8);
  const PricedExchange none = all_gather(cluster, ranks(1), 1_MiB);
  CHECK(none.alone == sim::Duration{});
  CHECK(none.trust.use == nullptr);
  CHECK_FALSE(none.trust.extrapolated());
}
