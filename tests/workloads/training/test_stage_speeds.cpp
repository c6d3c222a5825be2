#include "workloads/training/stage_speeds.h"

#include <doctest/doctest.h>

#include "tests/workloads/training/hand_training.h"
#include "workloads/training/chunk_table.h"
#include "workloads/training/step_time.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

using Speeds = std::vector<std::vector<double>>;

// Two experts a rank on two of the GPUs, as many layers as stages.
Deployment job(const Parallelism& layout) {
  const LayerKind layer = layer_of(NoMixer{}, hand_moe());
  ModelSpec model = hand_model({layer});
  model.layers.assign(static_cast<std::size_t>(layout.pp), 0);
  Deployment d = hand_deployment(model, layout);
  d.cluster = hand_cluster(layout.gpus(), 1);
  d.routing = {.law = Law::Balanced};
  d.network.fidelity = hardware::Fidelity::Bound;
  return d;
}

sim::Duration step_of(const Deployment& d, const TrainingQuestion& q) {
  const hardware::Kernels kernels(d.cluster.device, d.kernels);
  ChunkTable chunks(d, q);
  const PipelineSchedule schedule = schedule_of(q, d.layout, chunks);
  const DataParallel replicas(d, q, schedule, kernels);
  return time_step(d, q, schedule, replicas, chunks).step;
}

}  // namespace

TEST_CASE("a slow GPU of any replica slows its place of the expert group") {
  // Ranks 0 and 1 are a group, 2 and 3 its replica: rank 3 has rank 1's place.
  Deployment d = job({.dp = 4, .ep = 2});
  TrainingQuestion q = hand_question();
  q.global_batch = 4;
  CHECK(stage_speeds(d, q) == Speeds{{1, 1}});
  const sim::Duration usual = ChunkTable(d, q).of({PassKind::Forward}).time;
  const sim::Duration step = step_of(d, q);
  d.cluster.slow = {{.rank = 3, .speed = 0.5}};
  CHECK(stage_speeds(d, q) == Speeds{{1, 0.5}});
  CHECK(slowest_of(d, 0) == 0.5);
  // All that is computed takes twice as long, the dispatch of 10 + 2 x 2.016 us and the combine of
  // 10 + 4 what they take.
  CHECK(ChunkTable(d, q).of({PassKind::Forward}).time == 2 * usual - 28'032'000_ps);
  const sim::Duration late = step_of(d, q);
  CHECK(late > step);
  // Of two at one place the slowest counts; one that is not among the ranks does not.
  d.cluster.slow = {{.rank = 1, .speed = 0.5}, {.rank = 3, .speed = 0.8}};
  CHECK(stage_speeds(d, q) == Speeds{{1, 0.5}});
  CHECK(step_of(d, q) == late);
  d.cluster.slow = {{.rank = 4, .speed = 0.5}};
  CHECK(step_of(d, q) == step);
}

TEST_CASE("a stage has the speeds of its own GPUs") {
  // Ranks 2 and 3 are of the second stage; with dualpipe they hold the first one's copy, too.
  Deployment d = job({.pp = 2, .dp = 2, .ep = 2});
  TrainingQuestion q = hand_question();
  q.global_batch = 8;
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.embedding = true, .layers = 1}, {.first_layer = 1, .layers = 1, .loss = true}};
  d.cluster.slow = {{.rank = 2, .speed = 0.5}};
  CHECK(stage_speeds(d, q) == Speeds{{1, 1}, {0.5, 1}});
  CHECK(slowest_of(d, 0) == 1);
  CHECK(slowest_of(d, 1) == 0.5);
  q.schedule = ScheduleName::DualPipe;
  CHECK(stage_speeds(d, q) == Speeds{{0.5, 1}, {0.5, 1}});
  q.schedule = ScheduleName::Interleaved;
  q.stages.resize(4);
  CHECK(stage_speeds(d, q) == Speeds{{1, 1}, {0.5, 1}, {1, 1}, {0.5, 1}});
  q.schedule = ScheduleName::ZbV;
  CHECK(stage_speeds(d, q) == Speeds{{1, 1}, {0.5, 1}, {0.5, 1}, {1, 1}});
}

TEST_CASE("stages of equal content are one pass only where their GPUs are as fast") {
  Deployment d = job({.pp = 2, .dp = 2, .ep = 2});
  TrainingQuestion q = hand_question();
  q.global_batch = 8;
  q.schedule = ScheduleName::OneFOneB;
  q.stages = {{.layers = 1}, {.first_layer = 1, .layers = 1}};
  const auto second = ChunkPass{.kind = PassKind::Forward, .stage = 1};
  CHECK(ChunkTable(d, q).as_played(second).stage == 0);
  const sim::Duration usual = ChunkTable(d, q).of(second).time;
  d.cluster.slow = {{.rank = 2, .speed = 0.5}, {.rank = 3, .speed = 0.5}};
  ChunkTable chunks(d, q);
  CHECK(chunks.of({PassKind::Forward}).time == usual);
  CHECK(chunks.of(second).time == 2 * usual - 28'032'000_ps);
}
