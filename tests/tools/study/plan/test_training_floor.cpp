#include "tools/study/plan/training_floor.h"

#include <doctest/doctest.h>

#include "tools/study/plan/training_choice.h"
#include "workloads/run_training.h"
#include "workloads/scenario.h"
#include "workloads/training/memory_plan.h"
#include "workloads/training/read_question.h"

using namespace moesim;
using doctest::Approx;
using tools::floor_of;
using workloads::ScheduleName;

namespace {

// A layer: attention of 4 heads of 16 over a width of 64, 16,384 numbers, and a gated FFN of 128,
// 24,576: 81,920 FLOP a token. The head has 256 words: 32,768. Of 15 tokens a token sees 8 keys on
// average: 4 x 64 x 8 = 2,048 FLOP of the core. A device of 1 GFLOP/s.
workloads::Deployment toy(std::int64_t layers) {
  workloads::Deployment d;
  d.model.name = "toy";
  d.model.hidden = 64;
  d.model.vocab = 256;
  const workloads::LayerKind kind{
      .name = "layer",
      .mixer = workloads::GqaAttention{.heads = 4, .kv_heads = 4, .head_dim = 16},
      .ffn = workloads::DenseFfn{.inter = 128}};
  workloads::add_layer(d.model, kind);
  d.model.layers.assign(static_cast<std::size_t>(layers), 0);
  d.layout.pp = 2;
  d.cluster.device.peak[hardware::Precision::BF16] = sim::FlopRate(1e9);
  return d;
}

workloads::TrainingQuestion four_sequences(const workloads::Deployment& d, ScheduleName schedule) {
  return tools::with_choice({.sequence = 15, .global_batch = 4}, {.schedule = schedule},
                            d.layout.pp, d.model);
}

}  // namespace

TEST_CASE("the least step is the schedule at the datasheet's rate, by hand") {
  workloads::Deployment d = toy(2);
  workloads::TrainingQuestion q = four_sequences(d, ScheduleName::OneFOneB);
  // In FLOP, which are ns. Rank 0: F 15 x 83,968 = 1,259,520; back 2 x that = 2,519,040. Rank 1
  // with the head: F 15 x 116,736 = 1,751,040; back 3,502,080. Rank 1 waits for the first F, works
  // 4 x 5,253,120 without a gap, and rank 0 goes back once more:
  // 1,259,520 + 21,012,480 + 2,519,040 = 24,791,040.
  CHECK(floor_of(d, q).step_s == Approx(0.02479104));
  // Layers, not the head, forward again in each backward pass: five times 1,259,520 on that path.
  q.recompute.full = true;
  CHECK(floor_of(d, q).step_s == Approx(0.03108864));
  // What norms are computed again is no arithmetic that counts.
  q.recompute = {.layernorm = true};
  CHECK(floor_of(d, q).step_s == Approx(0.02479104));
  // Two ranks share every micro-batch.
  d.layout.tp = 2;
  CHECK(floor_of(d, q).step_s == Approx(0.01239552));
}

TEST_CASE("a schedule that fills its order by times is bounded by its fullest rank") {
  const workloads::Deployment d = toy(4);
  // Rank 0 has the first and the last of four stages, 4 x (3,778,560 + 5,253,120) ns; from the
  // first pass to the last a played one would wait for rank 1, too.
  CHECK(floor_of(d, four_sequences(d, ScheduleName::ZbV)).step_s == Approx(0.03612672));
}

TEST_CASE("the least memory is that of the micro-batches in flight") {
  const workloads::Deployment d = toy(2);
  const auto q = four_sequences(d, ScheduleName::OneFOneB);
  const auto schedule =
      workloads::make_schedule(ScheduleName::OneFOneB, {.ranks = 2, .micro_batches = 4});
  // 1f1b: two on rank 0, one on rank 1.
  CHECK(floor_of(d, q).bytes == workloads::memory_of(d, q, schedule, {2, 1}).gpu().peak());
  CHECK(floor_of(d, q).bytes < workloads::memory_of(d, q, schedule, {3, 3}).gpu().peak());
  const auto all = four_sequences(d, ScheduleName::GPipe);
  const auto gpipe =
      workloads::make_schedule(ScheduleName::GPipe, {.ranks = 2, .micro_batches = 4});
  CHECK(floor_of(d, all).bytes == workloads::memory_of(d, all, gpipe, {4, 4}).gpu().peak());
}

TEST_CASE("no played step is shorter than its floor, or keeps less") {
  using Overrides = std::vector<std::string>;
  const std::string balanced = "routing={law: balanced}";
  for (const Overrides& overrides :
       {Overrides{}, Overrides{balanced}, Overrides{"training.recompute=[full]"},
        Overrides{"training.recompute=[moe_act, layernorm]", "training.micro_batch=2"},
        Overrides{balanced, "training.schedule=interleaved", "training.virtual_stages=2"},
        Overrides{balanced, "training.schedule=zb_h1"}, Overrides{"training.schedule=zb_v"},
        Overrides{balanced, "training.schedule=dualpipe"},
        Overrides{"training.schedule=dualpipe_v", "training.overlap.expert=true"},
        Overrides{balanced, "training.schedule=gpipe", "parallelism.cp=2", "parallelism.dp=2"},
        Overrides{"training.capacity={factor: 0.5, pad: true}"},
        Overrides{"precision={weights: fp8_block}"},
        Overrides{"parallelism={tp: 1, dp: 64, ep: 8}", "training.schedule=none"},
        // Nothing but the arithmetic: as near as kernels come to their datasheet.
        Overrides{balanced, "host={graphs: all, per_operation: 0 us, per_launch: 0 us}"}}) {
    std::string told;
    for (const std::string& one : overrides) told += one + " ";
    CAPTURE(told);
    const workloads::Scenario scenario =
        workloads::load_scenario("configs/scenarios/mixtral-8x7b-training-h100.yaml", overrides);
    const auto result = workloads::run_training(scenario, {});
    const auto floor = floor_of(scenario.deployment, *scenario.training());
    CHECK(floor.step_s > 0);
    CHECK(floor.step_s <= result.report.step_time_us.mean * 1e-6);
    CHECK(floor.bytes <= result.report.memory.peak);
    CHECK(floor.capacity == result.report.memory.capacity);
    // Where all experts are alike it is all that there is, but for what weights' gradients need
    // where they are put off.
    if (told.find("balanced") != std::string::npos && told.find("zb_") == std::string::npos &&
        told.find("dualpipe") == std::string::npos)
      CHECK(floor.bytes == result.report.memory.peak);
  }
}
