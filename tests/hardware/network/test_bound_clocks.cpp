// The closed form from arrivals to ends, without events.
#include "hardware/network/bound_clocks.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using sim::Time;
using Places = std::vector<std::uint32_t>;
using Times = std::vector<Time>;

namespace {

struct Result {
  Times done;
  Places kept_by;
};

// On two nodes of two: a NIC carries 50 GB/s, so 1 GB takes 20 ms and a path's latency of 1 us.
Result play(const sim::Exchange& exchange, const Times& arrivals) {
  const auto cluster = testing::small_cluster(2, 2);
  hardware::ClusterNetwork links(cluster.topology);
  hardware::BoundClocks clocks(links);
  const auto [done, kept_by] = clocks.play(exchange, arrivals);
  return {{done.begin(), done.end()}, {kept_by.begin(), kept_by.end()}};
}

}  // namespace

TEST_CASE("a rank waits for the last of those that it exchanges bytes with") {
  // 0 sends 1 GB to 2, which comes at 9 ms: both start then. 1 talks to nobody and waits for
  // nobody.
  sim::Exchange exchange;
  exchange.participants = {0, 1, 2};
  exchange.transfers = {{0, 2, 1_GB}};
  const Result result = play(exchange, {Time{5ms}, Time{30ms}, Time{9ms}});
  CHECK(result.done == Times{Time{29ms}, Time{30ms}, Time{29ms + 1us}});
  CHECK(result.kept_by == Places{2, 1, 2});
  // Nobody's bytes move before all have come.
  exchange.barrier = true;
  const Result together = play(exchange, {Time{5ms}, Time{30ms}, Time{9ms}});
  CHECK(together.done == Times{Time{50ms}, Time{30ms}, Time{50ms + 1us}});
  CHECK(together.kept_by == Places{1, 1, 1});
}

TEST_CASE("messages make peers both ways, and among equals the first came last") {
  // Ranks 0, 1, 3: 0 sends 3 two messages of 0.5 GB, 3 and 1 send nothing to 0. 1 and 3 exchange
  // nothing. 3 is as late as 0: each keeps itself or the lower one, which is 0.
  sim::Exchange exchange;
  exchange.participants = {0, 1, 3};
  exchange.messages = {std::make_shared<const std::vector<std::uint32_t>>(
                           std::vector<std::uint32_t>{0, 0, 2, 0, 0, 0, 0, 0, 0}),
                       sim::Bytes(500'000'000), false};
  const Result out = play(exchange, {Time{4ms}, Time{8ms}, Time{4ms}});
  CHECK(out.done == Times{Time{24ms}, Time{8ms}, Time{24ms + 1us}});
  CHECK(out.kept_by == Places{0, 1, 0});
  // On their way back the same pairs wait for each other: 3 came later now.
  exchange.messages.back = true;
  const Result back = play(exchange, {Time{4ms}, Time{8ms}, Time{6ms}});
  CHECK(back.done == Times{Time{26ms + 1us}, Time{8ms}, Time{26ms}});
  CHECK(back.kept_by == Places{2, 1, 2});
}

TEST_CASE("traffic is counted where it is asked for") {
  const auto cluster = testing::small_cluster(2, 2);
  hardware::ClusterNetwork links(cluster.topology);
  sim::Exchange exchange;
  exchange.participants = {0, 2};
  exchange.transfers = {{0, 2, 1_GB}};
  const Times arrivals{Time{}, Time{}};
  hardware::BoundClocks counts(links), passes(links, false);
  counts.play(exchange, arrivals);
  passes.play(exchange, arrivals);
  REQUIRE_FALSE(counts.link_use().empty());
  CHECK(counts.link_use().front().bytes == 1_GB);
  CHECK(passes.link_use().empty());
}
