// Who sends what of a mixture layer's micro-batch, counted by hand.
#include "workloads/training/routed_layers.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/workloads/training/hand_training.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

struct Hand {
  explicit Hand(hardware::MulticastAlgorithm tokens) { deployment.tokens = tokens; }

  tests::TemporaryFolder folder;
  Deployment deployment = hand_training_deployment(write_hand_trace(folder));
};

// Bytes from one rank to the other.
std::int64_t bytes(const hardware::PricedExchange& exchange, Rank from, Rank to) {
  std::int64_t sum = 0;
  sim::for_each_transfer(exchange.exchange, [&](const sim::Transfer& transfer) {
    if (transfer.source == from && transfer.destination == to) sum += transfer.bytes.count();
  });
  return sum;
}

struct Routed {
  explicit Routed(const Deployment& d)
      : layout(d.layout),
        communication(d.cluster, d.all_reduce, d.tokens, d.formats.dispatch, d.formats.combine),
        batch(split_step(on_every_rank({prompts(1, 2)}), d, layout).front().front()),
        routes(d, {{batch}}, 1),
        layers(d, layout, communication, routes, batch),
        moe(*d.model.moe(0)) {}

  RankLayout layout;
  Communication communication;
  MicroBatch batch;
  LayerRoutes routes;
  RoutedLayers layers;
  const MoeFfn& moe;
};

}  // namespace

TEST_CASE("an all-to-all sends a row for each choice, other exchanges a token once to a rank") {
  // Rank 0 has the tokens of experts 0, 1 and 0, 2, rank 1 those of 2, 3 and 0, 1; 0 and 1 live on
  // rank 0. Of 2,000 B each, from rank 0 to rank 1 one choice of one token, back two of one token.
  Hand hand(hardware::MulticastAlgorithm::Nccl);
  Routed nccl(hand.deployment);
  CHECK(nccl.layers.by_choice());
  const RoutedLayer& layer = nccl.layers.of(0, nccl.moe, 0);
  REQUIRE(layer.dispatch.size() == 1);
  CHECK(bytes(layer.dispatch[0], 0, 1) == 2000);
  CHECK(bytes(layer.dispatch[0], 1, 0) == 4000);
  CHECK(bytes(layer.combine[0], 0, 1) == 4000);
  CHECK(bytes(layer.combine[0], 1, 0) == 2000);
  // Experts 0 and 1 are chosen 3 and 2 times, 2 and 3 twice and once.
  CHECK(std::ranges::equal(layer.rows.rows(0), std::array<std::int64_t, 2>{3, 2}));
  CHECK(std::ranges::equal(layer.rows.rows(1), std::array<std::int64_t, 2>{2, 1}));
  // Whoever asks again is told the same.
  CHECK(&nccl.layers.of(0, nccl.moe, 0) == &layer);

  hand.deployment.tokens = hardware::MulticastAlgorithm::DeepEpNormal;
  give_default_collectives(hand.deployment.cluster);
  Routed deepep(hand.deployment);
  CHECK_FALSE(deepep.layers.by_choice());
  const RoutedLayer& once = deepep.layers.of(0, deepep.moe, 0);
  CHECK(bytes(once.dispatch[0], 0, 1) == 2000);
  CHECK(bytes(once.dispatch[0], 1, 0) == 2000);
  CHECK(once.rows.tokens(0) == 3);
}
