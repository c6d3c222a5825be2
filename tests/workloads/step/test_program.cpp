// What the ranks of a stage do in a layer, as values: names, phases, who waits for whom.
#include "workloads/step/program.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// All that a program is made of.
struct World {
  World(Deployment given, const Batch& batch)
      : d(std::move(given)),
        layout(d.layout),
        kernels(d.cluster.device, d.kernels),
        communication(d.cluster, d.all_reduce, d.tokens, d.formats.dispatch, d.formats.combine),
        parts(split_step(batch, d, layout)),
        routes(d, parts, 1),
        program(d, layout, kernels, communication, routes) {}

  Deployment d;
  RankLayout layout;
  hardware::Kernels kernels;
  Communication communication;
  StepParts parts;
  LayerRoutes routes;
  Program program;
  StepAccount account = {};
};

// "attention L1 (attention)", "dispatch L1 (dispatch) x 2": so many exchanges.
std::string drawn(const Turn& turn) {
  std::string text;
  for (const Task& task : turn) {
    text += text.empty() ? "" : ", ";
    text += task.what;
    if (task.layer >= 0) text += fmt::format(" L{}", task.layer);
    text += fmt::format(" ({})", name_of(task.phase));
    if (!task.exchanges.empty()) text += fmt::format(" x {}", task.exchanges.size());
    if (task.forks) text += " forks";
    if (task.beside) text += " beside";
  }
  return text;
}

std::vector<std::string> drawn(const std::vector<Turn>& turns) {
  std::vector<std::string> texts;
  for (const Turn& turn : turns) texts.push_back(drawn(turn));
  return texts;
}

using Texts = std::vector<std::string>;

ModelSpec both() {
  MoeFfn moe = hand_moe();
  moe.shared_experts = 1;
  moe.shared_inter = 100;
  ModelSpec model =
      hand_model({layer_of(hand_attention(), hand_dense()), layer_of(hand_attention(), moe)});
  model.head = true;
  return model;
}

}  // namespace

TEST_CASE("a layer of one rank is attention and its network, a mixture two turns") {
  const Batch batch = on_every_rank({decoding(2, 10)});
  World w(hand_deployment(both(), {}), batch);
  const MicroBatch& part = w.parts[0][0];
  CHECK(drawn(w.program.embedding({}, part)) == "embedding (other)");
  CHECK(drawn(w.program.layer(0, {}, part, w.account)) ==
        Texts{"attention L0 (attention), dense mlp L0 (dense_mlp)"});
  CHECK(drawn(w.program.layer(1, {}, part, w.account)) ==
        Texts{"attention L1 (attention), router L1 (router) forks",
              "shared expert L1 (shared_expert), experts L1 (experts)"});
  CHECK(drawn(w.program.head({}, part)) == "head (head)");
  CHECK(drawn(w.program.draft_input(part)) == "draft input (head)");
}

TEST_CASE("tp ranks that share experts reduce in groups, one exchange each") {
  const Batch batch = on_every_rank({decoding(2, 10)});
  World w(hand_deployment(both(), {.tp = 2, .dp = 2, .etp = 2}), batch);
  const MicroBatch& part = w.parts[0][0];
  CHECK(drawn(w.program.embedding({}, part)) ==
        "embedding (other), embedding all-reduce (collectives) x 2");
  CHECK(drawn(w.program.layer(0, {}, part, w.account)) ==
        Texts{"attention L0 (attention), attention reduce L0 (collectives) x 2, "
              "dense mlp L0 (dense_mlp), mlp all-reduce L0 (collectives) x 2"});
  CHECK(drawn(w.program.layer(1, {}, part, w.account)) ==
        Texts{"attention L1 (attention), attention reduce L1 (collectives) x 2, "
              "router L1 (router) forks",
              "shared expert L1 (shared_expert), experts L1 (experts), "
              "experts all-reduce L1 (collectives) x 2"});
  CHECK(drawn(w.program.head({}, part)) == "head (head), logits all-gather (collectives) x 2");
}

TEST_CASE("ranks that route their own tokens scatter, dispatch, gather rows and come back") {
  const Batch batch = on_every_rank({decoding(2, 10)});
  Deployment d = hand_deployment(both(), {.tp = 2, .dp = 4, .ep = 2, .etp = 2});
  d.overlap.shared_expert = true;
  World w(std::move(d), batch);
  const MicroBatch& part = w.parts[0][0];
  // 8 ranks: 4 tp groups, 4 etp groups, and 4 expert-parallel groups (2 replicas of 2 halves).
  const auto turns = w.program.layer(1, {}, part, w.account);
  CHECK(drawn(turns) == Texts{"attention L1 (attention), attention reduce L1 (collectives) x 4, "
                              "router L1 (router) forks, dispatch L1 (dispatch) x 4, "
                              "rows all-gather L1 (collectives) x 4",
                              "shared expert L1 (shared_expert) beside, experts L1 (experts), "
                              "rows reduce-scatter L1 (collectives) x 4, combine L1 (combine) x 4, "
                              "tokens all-gather L1 (collectives) x 4"});
  REQUIRE(turns[0].size() == 5);
  CHECK(turns[0][1].exchanges[0].exchange.name == "reduce_scatter");
  CHECK(turns[0][4].exchanges[3].exchange.participants == std::vector<sim::Rank>{6, 7});
  // Every token of the 4 dp ranks, and both of its choices.
  CHECK(w.account.routed_tokens == 8);
  CHECK(w.account.selections == 16);
  CHECK(w.account.rows == 16);
  REQUIRE(w.account.layers.size() == 1);
  CHECK(w.account.layers[0].layer == 1);
  CHECK(w.account.layers[0].rank_rows == std::vector<std::uint64_t>{4, 4, 4, 4});
}

TEST_CASE("a stage's exchanges are between its own ranks") {
  const Batch batch = on_every_rank({decoding(4, 10)});
  World w(hand_deployment(both(), {.pp = 2, .dp = 2, .ep = 2}), batch);
  CHECK(w.program.stage_ranks() == 2);
  const auto turns = w.program.layer(1, {.first = 2}, w.parts[0][0], w.account);
  CHECK(turns[0][2].exchanges[0].exchange.participants == std::vector<sim::Rank>{2, 3});
  // 2 tokens of a rank's micro-batch, 2,000 B each.
  CHECK(w.program.to_next_stage(w.parts[0][0], 2) == sim::Bytes(4000));
}

TEST_CASE("cp ranks gather keys and values first, in groups of their own") {
  const Batch batch = on_every_rank({prompts(1, 8)});
  World w(hand_deployment(both(), {.dp = 2, .ep = 4, .cp = 2}), batch);
  CHECK(drawn(w.program.layer(0, {}, w.parts[0][0], w.account)) ==
        Texts{"context all-gather L0 (collectives) x 2, attention L0 (attention), "
              "dense mlp L0 (dense_mlp)"});
}

TEST_CASE("equal ranks have their work once, ranks that differ each their own") {
  World same(hand_deployment(both(), {.dp = 2, .ep = 2}), on_every_rank({decoding(2, 10)}));
  const Turn one = same.program.layer(0, {}, same.parts[0][0], same.account)[0];
  CHECK(one[0].work.works.size() == 1);
  CHECK(one[0].work[1].time == one[0].work[0].time);
  World each(hand_deployment(both(), {.tp = 2, .dp = 2, .ep = 2}),
             {.ranks = {{decoding(2, 10)}, {decoding(1, 10)}}});
  const Turn two = each.program.layer(0, {}, each.parts[0][0], each.account)[0];
  CHECK(two[0].work.works.size() == 2);
  // Ranks 0 and 1 are of dp rank 0, 2 and 3 of dp rank 1: 1,200,000 + 14,800 T + 4,800 b B.
  CHECK(two[0].work[1].time == 6'239'200_ps);
  CHECK(two[0].work[2].time == 6'219'600_ps);
}

TEST_CASE("what is nothing is left out") {
  World w(hand_deployment(hand_model({layer_of(NoMixer{}, NoFfn{})}), {.tp = 2, .etp = 2}),
          on_every_rank({decoding(2, 10)}));
  CHECK(drawn(w.program.layer(0, {}, w.parts[0][0], w.account)) == Texts{""});
  CHECK(drawn(w.program.head({}, w.parts[0][0])).empty());
  CHECK(RankWork{}.is_nothing());
}

namespace {

// What a device that was measured knows of rows: bandwidth alone, 1 us a launch.
hardware::FittedModel rows_fit(const char* way) {
  hardware::FittedModel model;
  model.kind = "permute";
  model.implementation = "moesim";
  model.variant = way;
  model.parameters = {{"launch_us", 1},
                      {"memory_fraction", 0.79},
                      {"l2_gain", 0.01},
                      {"repeated", 1},
                      {"added_us", 0.002}};
  return model;
}

}  // namespace

TEST_CASE("before a library's all-to-all rows are put in order, and added up when they are back") {
  const Batch batch = on_every_rank({decoding(2, 10)});
  Deployment d = hand_deployment(both(), {.dp = 2, .ep = 2});
  d.kernels = {};
  d.tokens = hardware::MulticastAlgorithm::Nccl;
  give_default_collectives(d.cluster);
  const auto turns_of = [&](const Deployment& deployment) {
    World w(deployment, batch);
    return drawn(w.program.layer(1, {}, w.parts[0][0], w.account));
  };
  // Nobody knows what rows cost on a device that was not measured.
  CHECK(turns_of(d) ==
        Texts{"attention L1 (attention), router L1 (router) forks, dispatch L1 (dispatch) x 1",
              "shared expert L1 (shared_expert), experts L1 (experts), combine L1 (combine) x 1"});
  d.cluster.device.fitted = {rows_fit("out"), rows_fit("back")};
  CHECK(turns_of(d) ==
        Texts{"attention L1 (attention), router L1 (router) forks, rows out L1 (router), "
              "dispatch L1 (dispatch) x 1",
              "shared expert L1 (shared_expert), experts L1 (experts), combine L1 (combine) x 1",
              "rows back L1 (experts)"});
  World w(d, batch);
  const auto turns = w.program.layer(1, {}, w.parts[0][0], w.account);
  // Of two tokens each goes to both ranks, for one of its experts there: 4 rows of 2,000 B, read
  // from 2; back as many.
  for (const Rank rank : {Rank{0}, Rank{1}}) {
    const Work& out = turns[0][2].work[rank];
    const Work& back = turns[2][0].work[rank];
    CHECK(out.bytes == sim::Bytes(12000));
    CHECK(back.bytes == sim::Bytes(12000));
    CHECK(out.launches == 1);
    // A launch, and at 1 TB/s 16 KB out (4 read, 4 written) and 12 KB back, where each token adds
    // two copies of 2 ns.
    CHECK(sim::to_us(out.time) == doctest::Approx(1.016).epsilon(0.0005));
    CHECK(sim::to_us(back.time) == doctest::Approx(1.016).epsilon(0.0005));
  }
  // They come on top of the step, one after another; with two halves, between their turns.
  const auto time = [&](Deployment deployment, bool fits) {
    if (!fits) deployment.cluster.device.fitted.clear();
    deployment.network.fidelity = hardware::Fidelity::Bound;
    return StepPlayer(deployment, {.fullest = batch}).play(batch).time();
  };
  CHECK(time(d, true) - time(d, false) == turns[0][2].work[0].time + turns[2][0].work[0].time);
  d.overlap.two_batch = true;
  d.cluster.device.multiprocessors = 132;  // of which the exchange holds some
  CHECK(time(d, true) > time(d, false));
  d.overlap.two_batch = false;
  // DeepEP's kernels do it themselves.
  d.tokens = hardware::MulticastAlgorithm::DeepEpLowLatency;
  give_hand_collectives(d.cluster);
  CHECK(turns_of(d).size() == 2);
}
