// Collectives between nodes that are small: NCCL's quick protocol.
//
// Two nodes of one GPU with NICs of 50 GB/s. Where nothing is fitted, the quick protocol reaches
// half of the 0.9 of a NIC that the wide one does, 22.5 GB/s, and starts with 5 us for the second
// node beside its own: all-gather 4.5, all-reduce and send 5, all-to-all 6.5. The wide one starts
// with 8 + 5.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

Deployment two_nodes(ModelSpec model, const Parallelism& layout) {
  Deployment d = hand_deployment(std::move(model), layout);
  d.cluster = hand_cluster();
  d.cluster.scale_out.bandwidth = 50_GBps;
  d.cluster.topology = hardware::make_topology(d.cluster);
  give_default_collectives(d.cluster);
  return d;
}

// From the first rank's arrival until the last has it, of the only exchange of that name.
double us_of(const Deployment& d, const std::string& name) {
  const Batch batch = on_every_rank({decoding(d.layout.pp * 2, 10)});
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto from = spans_of(step, name, 0), to = spans_of(step, name, 1);
  REQUIRE(!from.empty());
  REQUIRE(!to.empty());
  return sim::to_us(to.front().end - std::max(from.front().start, to.front().start));
}

}  // namespace

TEST_CASE("a small send between nodes has half of the network") {
  // 2 tokens, 4,000 B at 22.5 GB/s: 0.177778 us.
  const auto d =
      two_nodes(hand_model({layer_of(NoMixer{}, hand_dense()), layer_of(NoMixer{}, hand_dense())}),
                {.pp = 2});
  CHECK(us_of(d, "to stage L1") == doctest::Approx(10 + 0.177778).epsilon(1e-6));
}

TEST_CASE("small rings between nodes have half of the network") {
  // Each of 2 ranks sends all of an all-reduce of 4,000 B, half of an all-gather.
  const auto d = two_nodes(hand_model(), {.tp = 2, .ep = 2});
  CHECK(us_of(d, "embedding all-reduce") == doctest::Approx(10 + 0.177778).epsilon(1e-6));
  CHECK(us_of(d, "tokens all-gather L0") == doctest::Approx(9.5 + 0.088889).epsilon(1e-6));
}

TEST_CASE("a small all-to-all between nodes has half of the network") {
  // 2 tokens of each rank, each once to the other: 4,000 B.
  auto d = two_nodes(hand_model(), {.dp = 2, .ep = 2});
  d.tokens = hardware::MulticastAlgorithm::Nccl;
  CHECK(us_of(d, "dispatch L0") == doctest::Approx(11.5 + 0.177778).epsilon(1e-6));
}
