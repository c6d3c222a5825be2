// A cache beside an engine's exchanges, by the closed form of a service and as flows on the links.
#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "sim/op_graph.h"
#include "tests/support/clusters.h"
#include "workloads/serving/loop/transfer.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace std::chrono_literals;
using workloads::serving::PortTraffic;

namespace {

struct Played {
  double cache_ms = 0;      // until it is there
  double iteration_ms = 0;  // of one beside it
};

// One GPU a node, 50 GB/s a port: four compute for a while and send each other so many bytes, again
// and again, while a cache goes from the first of them to a fifth.
Played play(sim::Bytes each, sim::Duration computing, sim::Bytes cache) {
  constexpr sim::Rank kEngine = 4, kOther = 4;
  constexpr int kIterations = 40, kCounted = 5;
  const hardware::Cluster cluster = testing::small_cluster(5, 1);
  sim::OpGraph graph(5, 2);
  const sim::LabelId label = graph.add_label({});
  sim::Exchange tokens;
  for (sim::Rank a = 0; a < kEngine; ++a) {
    tokens.participants.push_back(a);
    for (sim::Rank b = 0; b < kEngine; ++b)
      if (a != b) tokens.transfers.push_back({a, b, each});
  }
  const sim::ExchangeId moved =
      graph.add_exchange({.participants = {0, kOther}, .transfers = {{0, kOther, cache}}});
  graph.add_part(moved, 0, 1, label, {});
  const sim::OpId there = graph.add_part(moved, kOther, 1, label, {});
  std::vector<sim::OpId> last(kEngine, sim::kNoOp), counted;
  for (int i = 0; i < kIterations; ++i) {
    const sim::ExchangeId id = graph.add_exchange(tokens);
    for (sim::Rank r = 0; r < kEngine; ++r) {
      const sim::OpId computed = graph.add_compute(r, 0, label, computing, std::array{last[r]});
      last[r] = graph.add_part(id, r, 0, label, std::array{computed});
    }
    counted.push_back(last[0]);
  }
  sim::Engine engine;
  hardware::ClusterNetwork links(cluster.topology);
  const auto network = hardware::make_network_model(links, hardware::Fidelity::Fluid, engine, 0);
  const sim::Timeline timeline = sim::execute(graph, engine, *network);
  const auto ms = [&](sim::OpId id) {
    return 1e3 * sim::to_seconds(timeline.spans[id].end - sim::Time{});
  };
  return {.cache_ms = ms(there), .iteration_ms = ms(counted[kCounted - 1]) / kCounted};
}

}  // namespace

TEST_CASE("the closed form of a cache beside exchanges is what flows take, within five percent") {
  // Three flows of each keep a port for 3 x bytes / 50 GB/s. The cache takes about ten iterations
  // alone.
  for (const double duty : {0.1, 0.3, 0.5, 0.8}) {
    const double iteration_ms = 1;
    const auto each = sim::Bytes(static_cast<std::int64_t>(duty * iteration_ms * 50e6 / 3));
    const auto computing = sim::Duration(std::llround((1 - duty) * iteration_ms * 1e9));
    const Played played = play(each, computing, sim::Bytes(500'000'000));
    const PortTraffic traffic{.duty = duty, .flows = 3};
    CAPTURE(duty);
    CHECK(10 / traffic.left_to(1) == doctest::Approx(played.cache_ms).epsilon(0.05));
    CHECK(iteration_ms * traffic.stretched_by(1) ==
          doctest::Approx(played.iteration_ms).epsilon(0.05));
  }
}
