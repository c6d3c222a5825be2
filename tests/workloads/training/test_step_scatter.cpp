// Steps in which GPUs are late, and what few draws leave open, worked out by hand.
#include "workloads/training/step_scatter.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "tests/workloads/training/hand_training.h"
#include "workloads/training/read_question.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// All that a step needs.
struct Job {
  Job(Deployment deployment, TrainingQuestion question)
      : d(std::move(deployment)),
        q(std::move(question)),
        kernels(d.cluster.device, d.kernels),
        chunks(d, q),
        schedule(schedule_of(q, d.layout, chunks)),
        replicas(d, q, schedule, kernels) {}

  StepTime step() { return time_step(d, q, schedule, replicas, chunks); }
  std::vector<sim::Duration> late() { return late_steps(d, q, schedule, replicas, chunks); }
  DrawsError error() { return draws_error(d, q, schedule, replicas, chunks); }

  Deployment d;
  TrainingQuestion q;
  hardware::Kernels kernels;
  ChunkTable chunks;
  PipelineSchedule schedule;
  DataParallel replicas;
};

// What a pass computes: all but its exchanges, and waiting.
sim::Duration computing(const PlayedChunk& chunk) {
  sim::Duration left = chunk.time - chunk.idle;
  for (const Phase phase : {Phase::Dispatch, Phase::Combine, Phase::Collectives, Phase::Host})
    left -= chunk.exposed[index_of(phase)];
  return left - chunk.exposed[kContextPhase];
}

sim::Duration more(sim::Duration time, double factor) {
  return sim::Duration(std::llround(static_cast<double>(time.count()) * (factor - 1)));
}

Deployment balanced(const Parallelism& layout, std::size_t layers = 1) {
  ModelSpec model = hand_model({layer_of(NoMixer{}, hand_moe())});
  model.layers.assign(layers, 0);
  Deployment d = hand_deployment(model, layout);
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  return d;
}

}  // namespace

TEST_CASE("a step is longer by what its passes compute on the latest GPU") {
  // One stage of two GPUs, two micro-batches: 2 (F + BW) x (the larger of two factors - 1), the
  // exchanges and the optimizer as they were.
  TrainingQuestion q = hand_question();
  q.jitter = {.kernel = 0.1, .steps = 200};
  Job job(balanced({.dp = 2, .ep = 2}), q);
  const sim::Duration usual = job.step().step;
  const sim::Duration f = computing(job.chunks.of({PassKind::Forward}));
  const sim::Duration b = computing(job.chunks.of({PassKind::Backward}));
  REQUIRE(f > sim::Duration{});
  REQUIRE(f < job.chunks.of({PassKind::Forward}).time);
  LateGpus gpus(q.jitter, {.gpus = 2}, job.d.seed);
  const auto steps = job.late();
  REQUIRE(steps.size() == 200);
  for (const sim::Duration step : steps) {
    gpus.next();
    const double factor = gpus.factor(0, 0, 0);
    CHECK(step == usual + 2 * (more(f, factor) + more(b, factor)));
  }
  // The same question, the same steps, however many are drawn.
  job.q.jitter.steps = 3;
  CHECK(job.late() == std::vector(steps.begin(), steps.begin() + 3));
}

TEST_CASE("pipelines wait for the latest of all at the gradients") {
  // Two replicas of two GPUs: the larger of their factors, each that of its own two GPUs.
  TrainingQuestion q = hand_question();
  q.global_batch = 8;
  q.jitter = {.kernel = 0.1, .steps = 50};
  Job job(balanced({.dp = 4, .ep = 2}), q);
  const sim::Duration usual = job.step().step;
  const sim::Duration f = computing(job.chunks.of({PassKind::Forward}));
  const sim::Duration b = computing(job.chunks.of({PassKind::Backward}));
  LateGpus gpus(q.jitter, {.pipelines = 2, .gpus = 2}, job.d.seed);
  int second = 0;
  for (const sim::Duration step : job.late()) {
    gpus.next();
    const double one = gpus.factor(0, 0, 0), two = gpus.factor(1, 0, 0);
    CHECK(step == usual + 2 * (more(f, std::max(one, two)) + more(b, std::max(one, two))));
    second += two > one ? 1 : 0;
  }
  CHECK(second > 10);
}

TEST_CASE("a stage waits for the one that is late before it") {
  // Two ranks, 1f1b, two micro-batches: F0, send, 2 (F1 + BW1), send, BW0, as in
  // test_step_time.cpp; each with its own rank's factor.
  TrainingQuestion q = hand_question();
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.embedding = true, .layers = 1}, {.first_layer = 1, .layers = 1, .loss = true}};
  q.jitter = {.kernel = 0.02, .steps = 50};
  Job job(balanced({.pp = 2, .dp = 2, .ep = 2}, 2), q);
  const sim::Duration usual = job.step().step;
  const auto own = [&](PassKind kind, std::uint32_t stage) {
    return computing(job.chunks.of({kind, stage, 0}));
  };
  LateGpus gpus(q.jitter, {.ranks = 2, .gpus = 2}, job.d.seed);
  for (const sim::Duration step : job.late()) {
    gpus.next();
    const double first = gpus.factor(0, 0, 0), last = gpus.factor(0, 1, 0);
    CHECK(step ==
          usual + more(own(PassKind::Forward, 0), first) + more(own(PassKind::Backward, 0), first) +
              2 * (more(own(PassKind::Forward, 1), last) + more(own(PassKind::Backward, 1), last)));
  }
}

TEST_CASE("a stalled step takes so many times as long, the others as they did") {
  TrainingQuestion q = hand_question();
  q.jitter = {.stall_every = 2, .stall_takes = 3, .steps = 400};
  Job job(balanced({.dp = 2, .ep = 2}), q);
  const sim::Duration usual = job.step().step;
  int stalled = 0;
  for (const sim::Duration step : job.late()) {
    CHECK((step == usual || step == 3 * usual));
    stalled += step == usual ? 0 : 1;
  }
  CHECK(std::abs(stalled - 200) < 40);  // four deviations of 10
}

TEST_CASE("any schedule is played with late GPUs, and without them is as it was") {
  // A kernel's scatter of next to nothing moves no picosecond of a step of microseconds.
  for (const ScheduleName name :
       {ScheduleName::GPipe, ScheduleName::OneFOneB, ScheduleName::Interleaved, ScheduleName::ZbH1,
        ScheduleName::ZbV, ScheduleName::DualPipe, ScheduleName::DualPipeV}) {
    CAPTURE(std::string(name_of(name)));
    TrainingQuestion q = hand_question();
    q.schedule = name;
    q.global_batch = 16;
    q.overlap = {.gradients = true, .parameters = true};
    q.sharding = Sharding::Optimizer;
    q.virtual_stages = name == ScheduleName::Interleaved ? 2 : 1;
    const std::int64_t stages = stages_of(q, 2);
    q.stages.resize(static_cast<std::size_t>(stages));
    for (std::int64_t s = 0; s < stages; ++s)
      q.stages[static_cast<std::size_t>(s)] = {
          .embedding = s == 0, .first_layer = s, .layers = 1, .loss = s + 1 == stages};
    q.jitter = {.kernel = 1e-12, .steps = 2};
    Job job(balanced({.pp = 2, .dp = 2, .ep = 2}, 4), q);
    const sim::Duration usual = job.step().step;
    CHECK(job.late() == std::vector{usual, usual});
    job.q.jitter.kernel = 0.1;
    CHECK(job.late().front() != usual);
  }
}

TEST_CASE("what two draws leave open is half of what their steps differ by") {
  // One stage, two micro-batches, two draws: steps of one draw alone are R + 2 (F + BW). The
  // standard error of the mean of two, |a - b| / sqrt(2) / sqrt(2) = |a - b| / 2.
  Deployment d = balanced({.dp = 2, .ep = 2});
  d.routing = {.law = Law::Uniform};
  TrainingQuestion q = hand_question();
  q.sequence = 64;
  q.draws = 2;
  Job job(d, q);
  (void)job.step();
  const auto of = [&](std::uint32_t draw) {
    return job.chunks.of({PassKind::Forward, 0, draw}).time +
           job.chunks.of({PassKind::Backward, 0, draw}).time;
  };
  REQUIRE(of(0) != of(1));
  const DrawsError error = job.error();
  CHECK(error.draws == 2);
  CHECK(error.us == doctest::Approx(std::abs(sim::to_us(of(0)) - sim::to_us(of(1)))));
}

TEST_CASE("of draws that no micro-batch takes nothing is known") {
  // Eight draws, two micro-batches of one replica: two are taken. One micro-batch: one.
  Deployment d = balanced({.dp = 2, .ep = 2});
  d.routing = {.law = Law::Uniform};
  TrainingQuestion q = hand_question();
  q.sequence = 64;
  q.draws = 8;
  Job two(d, q);
  (void)two.step();
  CHECK(two.error().draws == 2);
  q.global_batch = 2;
  Job one(d, q);
  (void)one.step();
  CHECK(one.error().draws == 1);
  CHECK(one.error().us == 0);
}
