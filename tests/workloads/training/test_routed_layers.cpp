// Who sends what of a mixture layer's micro-batch, counted by hand.
#include "workloads/training/routed_layers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "tests/workloads/training/hand_training.h"
#include "workloads/routing/laws/laws.h"
#include "workloads/training/dealt_routing.h"

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
  explicit Routed(const Deployment& d, std::optional<double> drops_over = {},
                  std::int64_t tokens = 2)
      : layout(d.layout),
        communication(d.cluster, d.all_reduce, d.tokens, d.formats.dispatch, d.formats.combine),
        batch(split_step(on_every_rank({prompts(1, tokens)}), d, layout).front().front()),
        routes(d, {{batch}}, 1),
        layers(d, layout, communication, routes, batch, drops_over),
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

TEST_CASE(
    "between nodes DeepEP's and HybridEP's exchanges are 1.32 times a bench's, NCCL's are as "
    "long") {
  using enum hardware::MulticastAlgorithm;
  for (const hardware::MulticastAlgorithm tokens : {DeepEpNormal, HybridEp, Nccl, AllGather}) {
    CAPTURE(static_cast<int>(tokens));
    Hand hand(tokens);
    give_default_collectives(hand.deployment.cluster);
    Routed routed(hand.deployment);
    const LayerRoute& route = routed.routes[0];
    const ExpertGroup& group = routed.batch.groups[0];
    DispatchWanted wanted = routed.communication.wanted();
    if (tokens == Nccl) wanted = {.selections = true, .tokens = false, .node_tokens = false};
    LayerRouting room;
    DispatchCounts counts;
    count_dispatch(route.source->view({.step = 0,
                                       .layer = route.layer,
                                       .first = routed.batch.first_token + group.first_token,
                                       .count = group.tokens()},
                                      room),
                   *route.placement, routed.batch.sources[0], wanted, counts);
    if (tokens == Nccl) counts.tokens = counts.selections;
    const TokenExchange bench = routed.communication.tokens(
        group.ranks, routed.batch.sources[0], counts, routed.moe, hand.deployment.model.hidden);
    const RoutedLayer& layer = routed.layers.of(0, routed.moe, 0);
    const double times = tokens == DeepEpNormal || tokens == HybridEp ? 1.32 : 1;
    CHECK(layer.dispatch[0].exchange.far.factor ==
          doctest::Approx(times * bench.dispatch.exchange.far.factor));
    CHECK(layer.combine[0].exchange.far.factor ==
          doctest::Approx(times * bench.combine.exchange.far.factor));
    CHECK(layer.dispatch[0].exchange.near.factor == bench.dispatch.exchange.near.factor);
  }
}

TEST_CASE("experts that are dealt are as busy, of a token's groups, and different") {
  // 8 experts, 2 a token: 4 tokens are a deck. With 2 groups, of which a token has one, 2 tokens
  // have both, and 2 that have a group all of its 4 experts.
  MoeFfn moe = hand_moe();
  moe.experts = 8;
  for (const std::int64_t groups : {1, 2}) {
    moe.router.groups = groups, moe.router.top_groups = 1;
    LayerRouting dealt, again;
    deal_routing(64, moe, 1, dealt);
    for (std::uint32_t t = 0; t < 64; t += 4) {
      CAPTURE(t);
      LayerRouting deck = dealt;
      deck.ids = {dealt.token(t), dealt.token(t + 4)};
      CHECK(expert_counts(deck) == std::vector<std::uint32_t>(8, 1));
    }
    if (groups == 2)
      for (std::uint32_t t = 0; t < 64; ++t) CHECK(dealt.token(t)[0] / 4 == dealt.token(t)[1] / 4);
    deal_routing(64, moe, 1, again);
    CHECK(again.ids == dealt.ids);
    deal_routing(64, moe, 2, again);
    CHECK(again.ids != dealt.ids);
  }
  // 5 experts, 2 a token: the third token has a deck's last card and the next one's first, which
  // differ; 5 tokens are two decks.
  moe.experts = 5, moe.router.groups = 1;
  LayerRouting odd;
  deal_routing(500, moe, 1, odd);
  CHECK(expert_counts(odd) == std::vector<std::uint32_t>(5, 200));
  for (std::uint32_t t = 0; t < 500; ++t) CHECK(odd.token(t)[0] != odd.token(t)[1]);
}

TEST_CASE("an expert takes no more than its capacity of each rank's tokens") {
  // Of 2 tokens with 2 of 4 experts each a rank may have 1 row of an expert, with 1.5 times that 2.
  // Rank 0's tokens both want expert 0: the second one has expert 2 alone, on rank 1. So 1 of 8
  // choices is dropped, and expert 0 has 2 rows, one of each rank.
  Hand hand(hardware::MulticastAlgorithm::Nccl);
  Routed full(hand.deployment, 1);
  const RoutedLayer& layer = full.layers.of(0, full.moe, 0);
  CHECK(layer.selections == 8);
  CHECK(layer.dropped == 1);
  CHECK(std::ranges::equal(layer.rows.rows(0), std::array<std::int64_t, 2>{2, 2}));
  CHECK(std::ranges::equal(layer.rows.rows(1), std::array<std::int64_t, 2>{2, 1}));
  CHECK(bytes(layer.dispatch[0], 0, 1) == 2000);
  CHECK(bytes(layer.dispatch[0], 1, 0) == 4000);
  Routed half_more(hand.deployment, 1.5);
  CHECK(half_more.layers.of(0, half_more.moe, 0).dropped == 0);
  // 0.25 times: still 1, which a rank of 2 tokens cannot be below.
  Routed least(hand.deployment, 0.25);
  CHECK(least.layers.of(0, least.moe, 0).dropped == 1);
}

TEST_CASE(
    "of many tokens of a law counts are drawn, of few tokens, and of those that may be dropped") {
  // Four experts: from 64 tokens a rank on.
  Hand hand(hardware::MulticastAlgorithm::Nccl);
  hand.deployment.routing = {.law = Law::Zipf, .skew = 1};
  const auto rows_of = [](const RoutedLayer& layer) {
    std::array<std::int64_t, 4> rows{};
    for (const Rank r : {Rank{0}, Rank{1}}) std::ranges::copy(layer.rows.rows(r), &rows[2 * r]);
    return rows;
  };
  for (const std::int64_t tokens : {63, 64}) {
    CAPTURE(tokens);
    Routed routed(hand.deployment, {}, tokens);
    LayerRouting each;
    routed.routes[0].source->route({0, 0, 0, static_cast<std::uint32_t>(2 * tokens)}, each);
    const auto counts = expert_counts(each);
    CHECK(std::ranges::equal(rows_of(routed.layers.of(0, routed.moe, 0)), counts) == (tokens < 64));
    // A capacity of twice an expert's mean share, and the choices of each token as they are.
    Routed full(hand.deployment, 4, tokens);
    CHECK(std::ranges::equal(rows_of(full.layers.of(0, full.moe, 0)), counts));
  }
  // Of 100,000 tokens each expert has the law's share, but for five standard deviations; other
  // draws have other counts, and so do layers' steps where the law drifts.
  Routed many(hand.deployment, {}, 50'000);
  const LawSpec law{
      .law = Law::Zipf, .skew = 1, .experts = 4, .top_k = 2, .seed = hand.deployment.seed};
  const std::vector<double> share = choice_probabilities(popularity(law, 0), 2, {});
  const RoutedLayer& first = many.layers.of(0, many.moe, 0);
  for (std::size_t e = 0; e < 4; ++e) {
    const double spread = std::sqrt(1e5 * share[e] * (1 - share[e]));
    CHECK(std::abs(double(rows_of(first)[e]) - 1e5 * share[e]) < 5 * spread + 1e-3);
  }
  // What is sent is what is computed elsewhere: 2,000 B a choice, both ways.
  CHECK(bytes(first.dispatch[0], 0, 1) == bytes(first.combine[0], 1, 0));
  CHECK(rows_of(first) != rows_of(many.layers.of(0, many.moe, 1)));
  hand.deployment.routing.drift = 1;
  Routed drifting(hand.deployment, {}, 50'000);
  const auto before = rows_of(drifting.layers.of(0, drifting.moe, 0));
  const auto after = rows_of(drifting.layers.of(0, drifting.moe, 1));
  double moved = 0;
  for (std::size_t e = 0; e < 4; ++e) moved += std::abs(double(before[e] - after[e]));
  CHECK(moved > 5'000);  // by chance alone some hundreds
}
