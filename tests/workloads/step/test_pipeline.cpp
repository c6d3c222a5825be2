// Pipelines: what goes from stage to stage, and when a step of a filled one begins and ends.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

LayerKind dense_layer(std::int64_t inter) {
  return layer_of(NoMixer{}, DenseFfn{.inter = inter});
}

// Its send is all startup: 39 us, the bytes, and the path's 1 us.
std::int64_t sent_bytes(const Deployment& d, const Batch& batch) {
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  std::int64_t most = 0;
  for (const sim::Exchange& exchange : step.built.graph.exchanges()) {
    if (exchange.name == "send") most = std::max(most, sim::payload_of(exchange).count());
  }
  return most;
}

}  // namespace

TEST_CASE("a step of a pipeline is what the second one takes once the first has filled it") {
  // Two stages of a dense layer 10,000 wide; 4 sequences, 2 in each of two micro-batches.
  // dense    4 us + 6 x 1000 x 10,000 + 2 x (12 x 10,000 + 12,000) B     64.264
  // stage 0  embedding 1.008 and a layer: 65.272; stage 1: 64.264
  // send     of 2 x 2,000 B: 40 + 4 = 44, the sender is done 1 us before
  //
  // micro-batch  stage 0              arrives    stage 1
  // 0              0     -  65.272    109.272    109.272 - 173.536
  // 1             65.272 - 130.544    174.544    174.544 - 238.808   the first step is done
  // 0            173.536 - 238.808    282.808    282.808 - 347.072   its token is the next one's
  // 1            238.808 - 304.080    348.080    348.080 - 412.344
  // The second takes 412.344 - 238.808 = 173.536: of stage 0 + send + stage 1.
  const auto d = hand_deployment(hand_model({dense_layer(10'000), dense_layer(10'000)}), {.pp = 2});
  const Batch batch = on_every_rank({decoding(4, 10)});
  CHECK(time_of(d, batch) == 173'536'000_ps);

  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  CHECK(step.timeline.finish == sim::Time{412'344'000_ps});
  // Stage 0 is done when its last send has left, 304.080 + 43; both have as long a window.
  REQUIRE(step.windows.size() == 2);
  CHECK(step.windows[0].to == sim::Time{347'080'000_ps});
  CHECK(step.windows[0].from == sim::Time{173'544'000_ps});
  CHECK(step.windows[1].to == sim::Time{412'344'000_ps});
  CHECK(step.windows[1].from == sim::Time{238'808'000_ps});
  const auto first = spans_of(step, "dense mlp L0", 0), second = spans_of(step, "dense mlp L1", 1);
  REQUIRE(first.size() == 2);
  CHECK(first[0].start == sim::Time{174'544'000_ps});
  CHECK(first[1].end == sim::Time{304'080'000_ps});
  REQUIRE(second.size() == 2);
  CHECK(second[0].start == sim::Time{282'808'000_ps});
  // Only the second step is counted: 4 tokens, 2 layers of them.
  CHECK(step.built.account.tokens == 4);
  // Each step has its own part of the routing.
  CHECK(rounds(d.layout) == 2);
  CHECK(rounds({.dp = 2}) == 1);
}

TEST_CASE(
    "a pipeline whose sends take longer than its stages is as fast as they follow each other") {
  // Dense layers 500 wide: 4 us + 3,000,000 + 36,000 B = 7.036. Sends are 44 us and one waits for
  // the other: two a step.
  const auto d = hand_deployment(hand_model({dense_layer(500), dense_layer(500)}), {.pp = 2});
  CHECK(time_of(d, on_every_rank({decoding(4, 10)})) == 88us);
}

TEST_CASE("each rank of a stage sends its part of the activations, once") {
  // 8 tokens of a micro-batch, 2,000 B each. Over tp ranks, which all have all of them, and over
  // cp ranks, which have their part, they are shared out.
  const ModelSpec model = hand_model({dense_layer(500), dense_layer(500)});
  CHECK(sent_bytes(hand_deployment(model, {.pp = 2}), on_every_rank({decoding(16, 10)})) == 16'000);
  CHECK(sent_bytes(hand_deployment(model, {.tp = 2, .pp = 2, .etp = 2}),
                   on_every_rank({decoding(16, 10)})) == 8'000);
  CHECK(sent_bytes(hand_deployment(model, {.tp = 2, .pp = 2, .etp = 2, .cp = 2}),
                   on_every_rank({prompts(2, 8)})) == 4'000);
}

TEST_CASE("a tp rank sends its part, and a stage's exchanges come one after another") {
  // As the first, with two tp ranks: layers 20,000 wide, so that each has 10,000. Of 2 tokens
  // all-reduces 10 + 4 = 14 after the embedding and each layer; the send 40 + 2, of which the
  // sender is busy 41. What stage 0 exchanges for the second micro-batch waits for the first one's
  // send: 2 x (all-reduce 14, layer 64.264, all-reduce 14, send 41) is the step.
  const auto d = hand_deployment(hand_model({dense_layer(20'000), dense_layer(20'000)}),
                                 {.tp = 2, .pp = 2, .etp = 2});
  CHECK(time_of(d, on_every_rank({decoding(4, 10)})) == 2 * 133'264'000_ps);
}

TEST_CASE("a mixture in the second stage routes the tokens of its own micro-batch and step") {
  // dp 2 = ep 2. Stage 1 is a mixture: router 3.02808 of 2 tokens, dispatch 10 + 2 x 2.016, experts
  // 3 us + 6,000,000 + 4 x 4,000 B = 9.016, combine 10 + 4: 40.07608. It receives the next
  // micro-batch, 44, when the combine is done: stage 0, 65.272, is ready before.
  const auto d = hand_deployment(hand_model({dense_layer(10'000), layer_of(NoMixer{}, hand_moe())}),
                                 {.pp = 2, .dp = 2, .ep = 2});
  const Batch batch = on_every_rank({decoding(4, 10)});
  CHECK(time_of(d, batch) == 2 * (44us + 40'076'080_ps));
  StepPlayer player(d, {.fullest = batch});
  const StepAccount account = player.play(batch).built.account;
  CHECK(account.routed_tokens == 8);
  CHECK(account.selections == 16);
  CHECK(account.rows == 16);
}

TEST_CASE(
    "the step that counts in a pipeline has the routing after that of the one that fills it") {
  // In the first step of the trace every token chooses experts 0 and 1, in the second 2 and 3.
  const tests::TemporaryFolder folder;
  const auto trace = folder.path() / "trace.h5";
  TraceWriter writer(trace, {.layers = 1, .experts = 4, .top_k = 2});
  const std::vector<ExpertId> first{0, 1, 0, 1, 0, 1, 0, 1}, second{2, 3, 2, 3, 2, 3, 2, 3};
  writer.append({.ids = first});
  writer.append({.ids = second});
  writer.close();
  auto d = hand_deployment(hand_model({dense_layer(500), layer_of(NoMixer{}, hand_moe())}),
                           {.pp = 2, .dp = 2, .ep = 2});
  d.routing = {.trace = trace, .mapping = {}};
  const Batch batch = on_every_rank({decoding(2, 10)});
  StepPlayer player(d, {.fullest = batch});
  const StepAccount account = player.play(batch).built.account;
  REQUIRE(account.layers.size() == 1);
  CHECK(account.layers[0].expert_counts == std::vector<std::uint64_t>{0, 0, 4, 4});
}

TEST_CASE("a host beside a pipeline works on the next step when it is done with the last one") {
  // The first case's pipeline, whose steps end at 238.808 and 412.344: a host of 100 us a step is
  // seen in neither.
  auto d = hand_deployment(hand_model({dense_layer(10'000), dense_layer(10'000)}), {.pp = 2});
  d.host.per_step = 100us;
  d.host.overlapped = true;
  const Batch batch = on_every_rank({decoding(4, 10)});
  CHECK(time_of(d, batch) == 173'536'000_ps);
  StepPlayer player(d, {.fullest = batch});
  const auto host = spans_of(player.play(batch), "host", 1);
  REQUIRE(host.size() == 1);
  CHECK(host[0].start == sim::Time{100us});
  // Not overlapped it stands between the token of the first micro-batch and its next step:
  // 173.536 + 100 of a cycle.
  d.host.overlapped = false;
  CHECK(time_of(d, batch) == 273'536'000_ps);
}

TEST_CASE("the report of a pipeline called busy time idle") {
  // Stages that take the same, with sends of next to nothing (1 ps): of 500 tokens the embedding
  // takes 1 us + 2,000,000 B, and a dense layer of w 4 us + 6000 w + 500 x (12 w + 12,000) B: 250
  // more of width are 3 us, an embedding. Idle is only what sends take; 25 % (pp 2) and 37.5 % (pp
  // 4) were reported.
  for (const std::int64_t stages : {2, 4}) {
    CAPTURE(stages);
    std::vector<LayerKind> layers{dense_layer(500)};
    for (std::int64_t s = 1; s < stages; ++s) layers.push_back(dense_layer(750));
    Scenario s;
    s.deployment = hand_deployment(hand_model(layers), {.pp = stages});
    hardware::Cluster& cluster = s.deployment.cluster;
    cluster.scale_up.bandwidth = sim::Bandwidth(1e18);
    cluster.scale_up.latency = {};
    give_hand_collectives(cluster, 0);
    cluster.topology = hardware::make_topology(cluster);
    s.question = decode_question(500 * stages, 10);
    const Report report = run(s).report;
    // dense 750: 4 us + 4,500,000 + 500 x 21,000 B = 19 us; each stage does so many.
    const double busy = 19.0 * static_cast<double>(stages);
    // At most one of each micro-batch to each stage and back.
    const double sends = 1e-6 * static_cast<double>(2 * stages);
    CHECK(report.step_time_us.mean >= busy);
    CHECK(report.step_time_us.mean <= busy + sends);
    CHECK(report.idle_us <= sends);
    CHECK(report.phases[index_of(Phase::DenseMlp)].exposed_us +
              report.phases[index_of(Phase::Other)].exposed_us ==
          doctest::Approx(busy).epsilon(1e-6));
  }
}
