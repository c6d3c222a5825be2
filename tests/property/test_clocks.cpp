// Clocks and the op graph are two ways to the same step: to the picosecond, on random scenarios.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/random.h"
#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// Numbers drawn from one stream.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed, "scenario") {}
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(n)));
  }
  bool coin() { return below(2) == 0; }
  template <class T>
  T of(std::initializer_list<T> choices) {
    return *(choices.begin() + below(static_cast<std::int64_t>(choices.size())));
  }

 private:
  sim::Random random_;
};

Parallelism layout_of(Draw& draw) {
  static const std::vector<Parallelism> layouts{
      {.tp = 1, .pp = 1, .dp = 2, .ep = 2, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 1, .dp = 4, .ep = 4, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 1, .dp = 8, .ep = 8, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 1, .dp = 8, .ep = 4, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 1, .dp = 4, .ep = 1, .etp = 1, .cp = 1},
      {.tp = 2, .pp = 1, .dp = 1, .ep = 1, .etp = 2, .cp = 1},
      {.tp = 2, .pp = 1, .dp = 2, .ep = 4, .etp = 1, .cp = 1},
      {.tp = 2, .pp = 1, .dp = 4, .ep = 4, .etp = 2, .cp = 1},
      {.tp = 4, .pp = 1, .dp = 1, .ep = 4, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 1, .dp = 2, .ep = 4, .etp = 1, .cp = 2},
      {.tp = 2, .pp = 1, .dp = 1, .ep = 4, .etp = 1, .cp = 2},
      {.tp = 1, .pp = 2, .dp = 2, .ep = 2, .etp = 1, .cp = 1},
      {.tp = 1, .pp = 2, .dp = 4, .ep = 2, .etp = 1, .cp = 1},
      {.tp = 2, .pp = 2, .dp = 1, .ep = 1, .etp = 2, .cp = 1},
  };
  return layouts[static_cast<std::size_t>(draw.below(std::ssize(layouts)))];
}

ModelSpec model_of(Draw& draw) {
  MoeFfn moe = hand_moe();
  moe.experts = 8;
  moe.top_k = draw.of<std::int64_t>({1, 2, 3});
  if (draw.coin()) {
    moe.shared_experts = 1;
    moe.shared_inter = 300;
  }
  GqaAttention attention = hand_attention();
  if (draw.coin()) attention.qk_norm = QkNorm::PerLayer;
  std::vector<LayerKind> layers{layer_of(attention, hand_dense()), layer_of(attention, moe)};
  if (draw.coin()) layers.push_back(layer_of(NoMixer{}, moe));
  if (draw.coin()) layers.push_back(layer_of(attention, moe));
  ModelSpec model = hand_model(layers);
  model.head = draw.coin();
  return model;
}

RankBatch rank_batch(Draw& draw) {
  RankBatch batch;
  if (draw.below(4) > 0) batch.push_back(decoding(1 + draw.below(12), 1 + draw.below(300)));
  if (draw.below(3) == 0) batch.push_back(prompts(1 + draw.below(2), 2 + draw.below(30)));
  return batch;
}

Batch batch_of(Draw& draw, const Parallelism& layout) {
  Batch batch;
  const auto ranks = draw.coin() ? 1 : static_cast<std::size_t>(layout.dp);
  for (std::size_t r = 0; r < ranks; ++r) batch.ranks.push_back(rank_batch(draw));
  batch.ranks[0].push_back(decoding(4, 50));
  if (draw.below(4) == 0) batch.drafted = 1 + draw.below(2);
  return batch;
}

Deployment deployment_of(Draw& draw) {
  const Parallelism layout = layout_of(draw);
  Deployment d = hand_deployment(model_of(draw), layout);
  if (draw.coin() && layout.gpus() >= 4) d.cluster = hand_cluster(2, layout.gpus() / 2);
  if (draw.below(3) == 0) {
    d.cluster.slow.push_back({.rank = static_cast<sim::Rank>(draw.below(layout.gpus())),
                              .speed = 0.1 + 0.1 * static_cast<double>(draw.below(8))});
  }
  d.network.fidelity = hardware::Fidelity::Bound;
  d.cluster.device.multiprocessors = 132;  // of which an exchange may hold some
  d.tokens =
      draw.of({hardware::MulticastAlgorithm::DeepEpLowLatency,
               hardware::MulticastAlgorithm::DeepEpNormal, hardware::MulticastAlgorithm::Nccl});
  if (d.tokens != hardware::MulticastAlgorithm::DeepEpLowLatency)
    give_default_collectives(d.cluster);
  d.overlap = {.two_batch = draw.coin(), .shared_expert = draw.coin()};
  d.routing.law = draw.of({Law::Uniform, Law::Zipf, Law::Balanced});
  d.routing.skew = d.routing.law == Law::Zipf ? 1 : 0;
  if (draw.coin()) d.host = {.engine = "hand", .per_step = 7us, .per_sequence = 300ns};
  d.host.overlapped = draw.coin();
  if (draw.below(3) == 0) {
    d.host.per_launch = 2us;
    d.host.graphs = draw.of({Graphs::None, Graphs::Decode});
  }
  d.seed = static_cast<std::uint64_t>(draw.below(1000));
  return d;
}

void check_equal(const StepOutcome& clocks, const StepOutcome& graph) {
  CHECK(clocks.time == graph.time);
  CHECK(clocks.whole == graph.whole);
  CHECK(clocks.path == graph.path);
  REQUIRE(clocks.times.ranks.size() == graph.times.ranks.size());
  for (std::size_t r = 0; r < clocks.times.ranks.size(); ++r) {
    CHECK(clocks.times.ranks[r].idle == graph.times.ranks[r].idle);
    CHECK(clocks.times.ranks[r].waited_for == graph.times.ranks[r].waited_for);
  }
  REQUIRE(clocks.times.places.size() == graph.times.places.size());
  for (std::size_t p = 0; p < clocks.times.places.size(); ++p) {
    CHECK(clocks.times.places[p].busy == graph.times.places[p].busy);
    CHECK(clocks.times.places[p].exposed == graph.times.places[p].exposed);
    CHECK(clocks.times.places[p].waiting == graph.times.places[p].waiting);
  }
  REQUIRE(clocks.links.size() == graph.links.size());
  for (std::size_t l = 0; l < clocks.links.size(); ++l) {
    CHECK(clocks.links[l].bytes == graph.links[l].bytes);
    CHECK(clocks.links[l].busy == graph.links[l].busy);
  }
  for (std::size_t p = 0; p < kPhases; ++p) {
    CHECK(clocks.account.work[p].time == graph.account.work[p].time);
    CHECK(clocks.account.exchanged[p].time == graph.account.exchanged[p].time);
    CHECK(clocks.account.payload[p] == graph.account.payload[p]);
  }
  CHECK(clocks.account.rows == graph.account.rows);
}

}  // namespace

TEST_CASE("clocks give what the op graph gives, to the picosecond, on 200 random scenarios") {
  int pipelines = 0, unequal = 0, slow = 0, overlapped = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Draw draw(seed);
    const Deployment d = deployment_of(draw);
    const Batch batch = batch_of(draw, d.layout);
    StepPlayer player(d, {.fullest = batch, .routing_steps = 2});
    const StepOutcome clocks = player.outcome(batch, 1);
    check_equal(clocks, outcome_of(player.play(batch, 1)));
    sim::Duration path{};
    for (const sim::Duration part : clocks.path) path += part;
    CHECK(path == clocks.time);
    pipelines += d.layout.pp > 1;
    unequal += !batch.same();
    slow += !d.cluster.slow.empty();
    overlapped += d.overlap.two_batch;
  }
  // The scenarios are of all kinds.
  CHECK(pipelines > 20);
  CHECK(unequal > 50);
  CHECK(slow > 30);
  CHECK(overlapped > 60);
}
