// Steps worked out by hand, to the picosecond.
#include "workloads/training/step_time.h"

#include <doctest/doctest.h>

#include "tests/workloads/training/hand_training.h"
#include "tests/workloads/training/rank_sums.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

StepTime step_of(const Deployment& d, const TrainingQuestion& q) {
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  const DataParallel replicas(d, q, schedule, kernels);
  return time_step(d, q, schedule, replicas, chunks);
}

// To the picosecond.
void check_sums(const StepTime& step) {
  for (const TrainingReport::RankRow& row : step.ranks)
    CHECK(sum_in_picoseconds(row) == step.step.count());
}

}  // namespace

TEST_CASE("a step of two micro-batches takes the time that a hand computes") {
  // Parameters on a GPU: dense 100,000 of the embedding, 4,000 of the router, 2,000 and 1,000 of
  // norms; of experts half of 6,000,000.
  //   zeroing 4 x 3,107,000 B                          13.428 us
  //   two of F 68.231872 and BW 89.291928             315.047600
  //   all-reduce of 428,000 B over two replicas       438        (experts have one)
  //   norm 4 x 3,107,000 B                             13.428
  //   its barrier, 4 B over two ranks                  10.004
  //   Adam 30 x 3,107,000 B                            94.210
  const tests::TemporaryFolder folder;
  const Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  const StepTime step = step_of(d, q);
  CHECK(step.step == 884'117'600_ps);
  check_sums(step);
  CHECK(step.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Gradients)] == 438);
  CHECK(step.ranks[0].bubble_us == 0);

  SUBCASE("sharded, gradients are scattered and parameters gathered, and Adam has half of them") {
    // Reduce-scatter 30 + 214; all-gather of 2 B a parameter 20 + 107. Dense parameters divide by
    // two: norm 4 x 3,053,500 = 13.214, Adam 30 x 3,053,500 = 92.605.
    q.sharding = Sharding::Optimizer;
    const StepTime sharded = step_of(d, q);
    CHECK(sharded.step == 13'428'000_ps + 315'047'600_ps + 244'000'000_ps + 13'214'000_ps +
                              10'004'000_ps + 92'605'000_ps + 127'000'000_ps);
    check_sums(sharded);
  }
  SUBCASE("gradients in 16 bits move half the bytes") {
    q.reduce_bytes = 2;
    CHECK(step.step - step_of(d, q).step == 214'000'000_ps);
  }
  SUBCASE("gradients that every micro-batch reduces are reduced twice") {
    // ZeRO-2: 244 us in each of two, none at the end.
    q.sharding = Sharding::Gradients;
    const StepTime twice = step_of(d, q);
    q.sharding = Sharding::Optimizer;
    CHECK(twice.step - step_of(d, q).step == 244'000'000_ps);
    check_sums(twice);
    CHECK(twice.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Gradients)] == 2 * 244);
    CHECK(twice.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Parameters)] == 127);
  }
  SUBCASE("weights that are gathered show what no computation hides") {
    // ZeRO-3, one layer a stage: gather 127 us before F and BW, in BW reduce-scatter 244 us more:
    // nothing of it is hidden, since the layer is the only one.
    q.sharding = Sharding::Weights;
    const StepTime weights = step_of(d, q);
    CHECK(weights.step == 13'428'000_ps + 315'047'600_ps +
                              2 * (2 * 127'000'000_ps + 244'000'000_ps) + 13'214'000_ps +
                              10'004'000_ps + 92'605'000_ps);
    check_sums(weights);
    CHECK(weights.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Gradients)] == 2 * 244);
    CHECK(weights.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Parameters)] ==
          2 * 2 * 127);
  }
  SUBCASE("buckets start before the last backward pass is done") {
    // 3,107,000 parameters in 4 pieces of 438 / 4 us. The first is ready three quarters of a
    // backward pass, 66.968946 us, before its end: so much is hidden.
    q.overlap.gradients = true;
    q.bucket = 1'000'000;
    const StepTime overlapped = step_of(d, q);
    CHECK(step.step - overlapped.step == 66'968'946_ps);
    check_sums(overlapped);
  }
}

TEST_CASE("reductions have what exchanges leave of the links between nodes") {
  // Two experts a rank on two of four nodes of one GPU, two replicas. Each of 2 tokens of a rank
  // goes to the other one: dispatch 10 + 2 x 2.016 us, combine 10 + 4. In 4 buckets, of which the
  // first is ready three quarters of the last backward pass before its end: 28.032 us of the pass
  // the links are the exchanges', of three quarters of it 21.024.
  Deployment d = hand_deployment(hand_model(), {.dp = 4, .ep = 2});
  d.cluster = hand_cluster(4, 1);
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.global_batch = 8;
  q.bucket = 1'000'000;
  ChunkTable chunks(d, q);
  const PlayedChunk& backward = chunks.of({PassKind::Backward});
  CHECK(backward.links == 28'032'000_ps);
  const StepTime after = step_of(d, q);
  q.overlap.gradients = true;
  const StepTime beside = step_of(d, q);
  check_sums(beside);
  CHECK(sim::to_us(after.step - beside.step) ==
        doctest::Approx(0.75 * sim::to_us(backward.time) - 21.024));
  // On one node no NIC is shared.
  d.cluster = hand_cluster(1, 4);
  ChunkTable near(d, q);
  CHECK(near.of({PassKind::Backward}).links == sim::Duration{});
}

TEST_CASE("gathered weights and exchanges share a pass's links") {
  // Two layers in one stage. What is gathered and reduced for a backward pass, and its exchanges,
  // take the links longer than the pass: all but the pass shows.
  const LayerKind layer = layer_of(NoMixer{}, hand_moe());
  ModelSpec model = hand_model({layer});
  model.layers = {0, 0};
  Deployment d = hand_deployment(model, {.dp = 4, .ep = 2});
  d.cluster = hand_cluster(4, 1);
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.global_batch = 4;
  q.stages[0].layers = 2;
  q.sharding = Sharding::Weights;
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  const DataParallel replicas(d, q, schedule, kernels);
  const ChunkSync& sync = replicas.of(0, 0);
  const auto pass = [&](PassKind kind, sim::Duration moved) {
    const PlayedChunk& chunk = chunks.of({kind});
    CHECK(chunk.links == 2 * 28'032'000_ps);
    REQUIRE(moved + chunk.links - chunk.time > moved / 2);
    return moved + chunk.links;
  };
  const StepTime step = time_step(d, q, schedule, replicas, chunks);
  CHECK(step.pipeline.step ==
        pass(PassKind::Forward, sync.gather) + pass(PassKind::Backward, sync.gather + sync.reduce));
}

TEST_CASE("stages that hold the embedding's table sum its gradients") {
  // 100 x 1,000 numbers of 4 B: over two ranks 10 + 2 x 1 / 2 x 400 us, over three 10 + 2 x 2 / 3 x
  // 400.
  ModelSpec model = hand_model();
  model.layers = {0, 0, 0, 0};
  model.prediction_layers = 1;
  Deployment d = hand_deployment(model, {.pp = 4, .dp = 1});
  TrainingQuestion q = hand_question();
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  const auto sums = [&](ScheduleName name) {
    const PipelineSchedule schedule = make_schedule(name, {.ranks = 4, .micro_batches = 8});
    const DataParallel replicas(d, q, schedule, kernels);
    std::vector<double> us;
    for (std::uint32_t r = 0; r < 4; ++r) us.push_back(sim::to_us(replicas.finalise(r)));
    return us;
  };
  using Sums = std::vector<double>;
  const auto lay = [&](std::size_t prediction) {
    q.stages = {{.embedding = true, .layers = 1},
                {.first_layer = 1, .layers = 1},
                {.first_layer = 2, .layers = 1},
                {.first_layer = 3, .layers = 1, .loss = true}};
    if (prediction < q.stages.size()) q.stages[prediction].predictions = 1;
  };
  lay(4);
  CHECK(sums(ScheduleName::OneFOneB) == Sums{0, 0, 0, 0});
  // A prediction layer looks the next token up.
  lay(3);
  CHECK(sums(ScheduleName::OneFOneB) == Sums{410, 0, 0, 410});
  lay(2);
  CHECK(sums(ScheduleName::OneFOneB) == Sums{410, 0, 410, 0});
  lay(0);
  CHECK(sums(ScheduleName::OneFOneB) == Sums{0, 0, 0, 0});
  // Both ways, either end has both stages, and sums by itself; else each copy of the pipeline does.
  lay(3);
  CHECK(sums(ScheduleName::DualPipe) == Sums{0, 0, 0, 0});
  lay(2);
  CHECK(sums(ScheduleName::DualPipe) == Sums{410, 410, 410, 410});
  // The head is the same table.
  d.model.tied_embeddings = true;
  lay(4);
  CHECK(sums(ScheduleName::OneFOneB) == Sums{410, 0, 0, 410});
  lay(2);
  const Sums three = sums(ScheduleName::OneFOneB);
  CHECK(three[1] == 0);
  for (const std::size_t r : {0u, 2u, 3u}) CHECK(three[r] == doctest::Approx(10 + 1600.0 / 3));
}

TEST_CASE("a host that is slower than Adam is waited for") {
  // Tensors: the embedding's table, the last norm, a layer's two norms, the router, up and down of
  // two experts: 9, of five operations each, of four where weights are sharded. Adam takes 94.21
  // us.
  const tests::TemporaryFolder folder;
  Deployment d = hand_training_deployment(write_hand_trace(folder));
  TrainingQuestion q = hand_question();
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  const PipelineSchedule schedule = make_schedule(ScheduleName::OneFOneB, {.micro_batches = 2});
  const auto adam = [&](sim::Duration operation) {
    d.host = {.graphs = Graphs::None, .per_operation = operation};
    return DataParallel(d, q, schedule, kernels).adam(0);
  };
  CHECK(adam({}) == 94'210'000_ps);
  CHECK(adam(1us) == 94'210'000_ps);
  CHECK(adam(10us) == 5 * 9 * 10us);
  q.sharding = Sharding::Weights;
  CHECK(adam(10us) == 4 * 9 * 10us);
}

TEST_CASE("two pipeline ranks send activations and divide the job's parameters") {
  // Two layers on two nodes of two GPUs; 1f1b, two micro-batches.
  const tests::TemporaryFolder folder;
  const LayerKind layer = layer_of(NoMixer{}, hand_moe());
  ModelSpec model = hand_model({layer});
  model.layers = {0, 0};
  Deployment d = hand_deployment(model, {.pp = 2, .dp = 2, .ep = 2});
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.embedding = true, .layers = 1}, {.first_layer = 1, .layers = 1, .loss = true}};
  const StepTime step = step_of(d, q);
  check_sums(step);
  ChunkTable chunks(d, q);
  const auto time = [&](PassKind kind, std::uint32_t stage) {
    return chunks.of({kind, stage, 0}).time;
  };
  // Rank 0: F F BW BW, rank 1: F BW F BW. Rank 1 has the longer wait: its first F starts after rank
  // 0's and a send, 2 tokens x 1,000 x 2 B: 40 + 4 us. Critical: F0, send, rank 1's F BW F BW, send
  // back, BW0.
  const sim::Duration send = 44us;
  const sim::Duration f0 = time(PassKind::Forward, 0), f1 = time(PassKind::Forward, 1);
  const sim::Duration b0 = time(PassKind::Backward, 0), b1 = time(PassKind::Backward, 1);
  CHECK(step.pipeline.step == f0 + send + 2 * (f1 + b1) + send + b0);
  // What sends add is told apart from the schedule's own bubble: rank 0's idle is longer by both.
  CHECK(step.ranks[0].exposed_us[static_cast<std::size_t>(Exposed::Pipeline)] == 88);
}

TEST_CASE("exchanges between nodes make room for the send of the pass before") {
  // The same on four nodes of one GPU. Rank 1 goes on with its second F while it sends the
  // gradients of the first BW, 44 us: the dispatch comes after norm, product, choice and 7 small
  // kernels of the router, 10.056816 us, and 11 small ones that say who sends what, 11.045056.
  ModelSpec model = hand_model({layer_of(NoMixer{}, hand_moe())});
  model.layers = {0, 0};
  Deployment d = hand_deployment(model, {.pp = 2, .dp = 2, .ep = 2});
  d.cluster = hand_cluster(4, 1);
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.embedding = true, .layers = 1}, {.first_layer = 1, .layers = 1, .loss = true}};
  const StepTime step = step_of(d, q);
  check_sums(step);
  ChunkTable chunks(d, q);
  const auto of = [&](PassKind kind, std::uint32_t stage) { return chunks.of({kind, stage, 0}); };
  CHECK(of(PassKind::Forward, 1).first_use == 21'101'872_ps);
  // Backward the gradients of the combine come first.
  CHECK(of(PassKind::Backward, 1).first_use == sim::Duration{});
  const sim::Duration send = 44us, room = send - 21'101'872_ps;
  CHECK(step.pipeline.step ==
        of(PassKind::Forward, 0).time + send +
            2 * (of(PassKind::Forward, 1).time + of(PassKind::Backward, 1).time) + room + send +
            of(PassKind::Backward, 0).time);
  CHECK(step.pipeline.ranks[1][2].behind_send == room);
  // On one node they use no NIC.
  d.cluster = hand_cluster(1, 4);
  CHECK_FALSE(ChunkTable(d, q).of({PassKind::Forward, 1, 0}).first_use);
}

TEST_CASE("replicas whose routing differs wait for the slowest at the end") {
  // dp 4, ep 2: two replicas of the expert group, two draws: micro-batches 0 and 1 take draws 0, 1,
  // of the other replica 1, 0. Each replica has both draws once: they take equally long.
  ModelSpec model = hand_model();
  Deployment d = hand_deployment(model, {.dp = 4, .ep = 2});
  d.routing = {.law = Law::Uniform};
  d.network.fidelity = hardware::Fidelity::Bound;
  TrainingQuestion q = hand_question();
  q.sequence = 64;
  q.global_batch = 8;
  q.draws = 2;
  ChunkTable chunks(d, q);
  REQUIRE(chunks.draws() == 2);
  sim::Duration both{};
  for (std::uint32_t draw = 0; draw < 2; ++draw)
    both += chunks.of({PassKind::Forward, 0, draw}).time +
            chunks.of({PassKind::Backward, 0, draw}).time;
  CHECK(chunks.of({PassKind::Forward, 0, 0}).time != chunks.of({PassKind::Forward, 0, 1}).time);
  CHECK(step_of(d, q).pipeline.step == both);
  // One micro-batch each: the step's is the slower draw.
  q.global_batch = 4;
  sim::Duration slowest{};
  for (std::uint32_t draw = 0; draw < 2; ++draw)
    slowest = std::max(slowest, chunks.of({PassKind::Forward, 0, draw}).time +
                                    chunks.of({PassKind::Backward, 0, draw}).time);
  CHECK(step_of(d, q).pipeline.step == slowest);
}
