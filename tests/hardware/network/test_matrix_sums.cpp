// Sums of a matrix of messages by way, against every pair looked at alone.
#include "hardware/network/matrix_sums.h"

#include <doctest/doctest.h>

#include <memory>
#include <utility>
#include <vector>

#include "hardware/message_sums.h"
#include "sim/random.h"
#include "tests/support/clusters.h"

using namespace moesim;
using Counts = std::vector<std::uint32_t>;
using Sums = std::vector<std::uint64_t>;

namespace {

// Four nodes of two, two nodes a leaf: ways near, over a leaf, over a spine; ranks of a leaf have
// equal ways, so that there are two classes.
hardware::Cluster two_leaves() {
  hardware::Cluster cluster = testing::small_cluster(4, 2);
  cluster.scale_out.fabric = hardware::ScaleOut::Fabric::FatTree;
  cluster.scale_out.nodes_per_leaf = 2;
  cluster.scale_out.spines = 2;
  cluster.scale_out.leaf_spine_latency = sim::Duration(250'000);
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

void check_sums(const std::vector<sim::Rank>& ranks, const Counts& counts, bool back) {
  CAPTURE(back);
  const hardware::Cluster cluster = two_leaves();
  hardware::ClusterNetwork network(cluster.topology);
  const hardware::Ports& ports = network.ports_of(ranks);
  REQUIRE(ports.known());
  const std::size_t n = ranks.size();
  Sums rows(n * ports.ways().size()), columns(rows);
  for (std::size_t r = 0; r < n; ++r) {
    for (std::size_t c = 0; c < n; ++c) {
      const bool near = ranks[r] / 2 == ranks[c] / 2;
      const std::size_t way = near ? hardware::Ports::kNear : ports.from(r)[c];
      if (r == c) continue;
      rows[way * n + r] += counts[r * n + c];
      columns[way * n + c] += counts[r * n + c];
    }
  }
  if (back) std::swap(rows, columns);
  const auto sums =
      hardware::sums_of({std::make_shared<const Counts>(counts), sim::Bytes(1), back}, ports);
  CHECK(sums.sent == rows);
  CHECK(sums.received == columns);
}

}  // namespace

TEST_CASE("a matrix is summed by row, by column and by way") {
  const hardware::Cluster cluster = two_leaves();
  hardware::ClusterNetwork network(cluster.topology);
  const hardware::Ports& ports = network.ports_of({0, 1, 2, 3, 4, 5, 6, 7});
  REQUIRE(ports.ways().size() == 3);
  REQUIRE(ports.way_classes() == 2);
  CHECK(ports.way_class(0) == ports.way_class(3));
  CHECK(ports.way_class(3) != ports.way_class(4));
  // Row r, column c: 10 r + c. Rank 3 has rank 2 near, 0 and 1 over its leaf, 4 to 7 over a spine:
  // it sends 32, 30 + 31 = 61, 34 + 35 + 36 + 37 = 142, and receives 23, 3 + 13 = 16,
  // 43 + 53 + 63 + 73 = 232. 33 stays at home.
  Counts counts;
  for (std::uint32_t i = 0; i < 64; ++i) counts.push_back(10 * (i / 8) + i % 8);
  const std::size_t leaf = ports.from(3)[0], spine = ports.from(3)[4];
  const auto sums =
      hardware::sums_of({std::make_shared<const Counts>(counts), sim::Bytes(1)}, ports);
  CHECK(Sums{sums.sent[3], sums.sent[leaf * 8 + 3], sums.sent[spine * 8 + 3]} == Sums{32, 61, 142});
  CHECK(Sums{sums.received[3], sums.received[leaf * 8 + 3], sums.received[spine * 8 + 3]} ==
        Sums{23, 16, 232});
}

TEST_CASE("sums are those of every pair, of all ranks and of a few, there and back") {
  // Of all eight ranks by classes; of three by each pair's way, since classes are as many.
  for (const auto& ranks :
       {std::vector<sim::Rank>{0, 1, 2, 3, 4, 5, 6, 7}, std::vector<sim::Rank>{0, 1, 4}}) {
    sim::Random random(ranks.size(), "sums");
    Counts counts;
    for (std::size_t i = 0; i < ranks.size() * ranks.size(); ++i)
      counts.push_back(static_cast<std::uint32_t>(random.below(100)));
    for (const bool back : {false, true}) check_sums(ranks, counts, back);
  }
}

TEST_CASE("sums that 32 bits do not hold are right") {
  // 2^31 for each of eight ranks: 2^34 a row.
  for (const bool back : {false, true})
    check_sums({0, 1, 2, 3, 4, 5, 6, 7}, Counts(64, std::uint32_t{1} << 31), back);
}

TEST_CASE("sums are as wide as the most that they can come to") {
  const auto width = [](const Counts& counts, std::uint64_t most) {
    return hardware::with_sums(counts, most, []<class Sum>(Sum) { return sizeof(Sum); });
  };
  // 15 is all bits of 8 and 7. 15 x 286,331,153 = 2^32 - 1 just fits.
  CHECK(width({8, 7}, 286'331'153) == 4);
  CHECK(width({8, 7}, 286'331'154) == 8);
  CHECK(width({0, 0}, std::uint64_t{1} << 40) == 4);
  CHECK(width({}, 1) == 4);
}

TEST_CASE("ports suffice where each rank has its own, not where two share a NIC") {
  const std::vector<sim::Rank> all{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  hardware::Cluster cluster = testing::small_cluster(4, 4);
  hardware::ClusterNetwork own(cluster.topology);
  CHECK(own.ports_of(all).suffice());
  cluster.scale_out.nics_per_node = 2;
  cluster.topology = hardware::make_topology(cluster);
  hardware::ClusterNetwork shared(cluster.topology);
  CHECK_FALSE(shared.ports_of(all).suffice());
}
