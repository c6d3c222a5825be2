#include "tools/report/training_text.h"

#include <doctest/doctest.h>

#include "workloads/report/report.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("a step of training is told with its arithmetic, its parts and its memory") {
  Report report;
  report.title = "test";
  report.what = "a model";
  report.gpus = 8;
  report.tokens_per_s = 8000;
  report.tokens_per_s_per_gpu = 1000;
  report.routing = "law uniform";
  report.expert_load = {.max_over_mean = 2.944, .normalised_entropy = 0.87, .dead_experts = 3};
  report.rank_max_over_mean = 1.456;
  report.layers.resize(32);
  report.interval["step_time_us"] = {.p10 = 9e5, .p90 = 1.2e6};
  TrainingReport t;
  t.schedule = "1f1b";
  t.micro_batches = 4;
  t.step_us = 1e6;
  t.bubble_share = 0.1;
  t.bubble_schedule_share = 0.05;
  t.flops.model_causal = 80e9;
  t.tflops_per_gpu = 80;
  t.mfu = 0.0809;
  t.mfu_full = 0.09;
  t.hfu = 0.1;
  t.peak_tflops = 989.4;
  t.mfu_precision = "bf16";
  t.draws = 8;
  t.draws_played = 8;
  t.draws_error_us = 2'340;
  t.routing_slowdown = 1.2;
  t.padding_share = 0.2;
  t.dropped_share = 0.0515;
  t.held = 20;
  t.multiprocessors = 132;
  t.beside = true;
  t.ranks = {{.f_us = 3e5, .b_us = 6e5, .bubble_us = 1e5}};
  t.memory = {{0, {.weights = 3'000'000'000, .activations = 7'000'000'000}}};
  t.capacity = 80'000'000'000;
  t.goodput = Goodput{.mtbf_h = 3.09,
                      .checkpoint_every_s = 829,
                      .lost_share = 0.1,
                      .goodput = 0.9,
                      .gpu_hours = 240,
                      .days = 1.25};
  CHECK(
      tools::training_text(t, report) ==
      "test\n"
      "  a model\n"
      "\n"
      "  step          1 s   (80 % interval 900 ms to 1.2 s)\n"
      "  throughput    8000 tokens/s, 1000.0 tokens/s per GPU (8 GPUs)\n"
      "  arithmetic    80.0 TFLOPS a GPU, MFU 8.09 % (model_causal: Megatron's count, 80.00 GFLOP "
      "a "
      "token)\n"
      "                MFU 9.00 % with the full mask, HFU 10.00 % as the kernels compute, of 989.4 "
      "TFLOPS (bf16)\n"
      "  pipeline      1f1b, 4 micro-batches: bubble 10.0 % of the step (5.0 % of the schedule's "
      "own)\n"
      "  routing       law uniform\n"
      "                the step takes +20.0 % over one with every expert as busy (8 draws: known "
      "to "
      "0.23 % by so few, one standard error)\n"
      "                rows over the mean: busiest expert 2.94, busiest rank 1.46 (means of 32 "
      "layers, over the step); 3 experts have none\n"
      "                20.0 % of the experts' rows fill capacity up\n"
      "                5.15 % of the selections are over capacity, and dropped\n"
      "                kernels of its exchanges hold 20 of 132 multiprocessors from what runs "
      "beside them\n"
      "\n"
      "  where the mean pipeline rank's step goes\n"
      "     30.0 %      300 ms  forward\n"
      "     60.0 %      600 ms  backward\n"
      "     10.0 %      100 ms  bubble\n"
      "\n"
      "  memory, GB of 80.0   weights  gradients  optimizer  activations  others    peak\n"
      "    rank 0                 3.00       0.00       0.00         7.00    0.00   10.00\n"
      "\n"
      "  run           90.0 % of the time is progress, a failure every 3.09 h, a checkpoint every "
      "829 s\n"
      "                1.2 days, 240 GPU-hours\n"
      "\n"
      "  how far to trust it\n"
      "    all of the step lies within what its cost models were fitted on\n");
}

TEST_CASE("a step in which GPUs are late is told by its mean, beside the one without") {
  Report report;
  report.title = "test";
  report.what = "a model";
  report.gpus = 8;
  TrainingReport t;
  t.schedule = "none";
  t.micro_batches = 1;
  t.step_us = 1e6;
  t.draws = 16;
  t.draws_played = 2;
  t.mfu_precision = "bf16";
  t.ranks = {{.f_us = 4e5, .b_us = 6e5}};
  t.jitter = {.kernel = 0.03, .stall_every = 1000, .stall_takes = 3};
  t.late = LateSteps{.steps = 1000,
                     .mean_us = 1.25e6,
                     .p10_us = 1.08e6,
                     .p50_us = 1.2e6,
                     .p90_us = 1.26e6,
                     .p99_us = 1.44e6,
                     .longest_us = 3.6e6};
  t.goodput = Goodput{.mtbf_h = 3.09, .lost_share = 0.1, .goodput = 0.9};
  t.failures_source = "cluster mine: our log";
  const std::string text = tools::training_text(t, report);
  CHECK(text.find("  step          1.25 s\n") != std::string::npos);
  CHECK(
      text.find("  stragglers    the mean of 1000 drawn steps, +25.0 % over 1 s with none: kernels "
                "of a GPU scatter by 3 %, a step in 1000 takes 3 times as long\n"
                "                median 1.2 s, p10 -10.0 %, p90 +5.0 %, p99 +20.0 %, mean +4.2 % "
                "of it, longest 3.6 s\n") != std::string::npos);
  CHECK(text.find("every expert as busy (2 of 16 draws are taken)\n") != std::string::npos);
  CHECK(text.find("     32.0 %      400 ms  forward\n"
                  "     48.0 %      600 ms  backward\n"
                  "     20.0 %      250 ms  waiting for late GPUs\n") != std::string::npos);
  CHECK(text.find("a failure every 3.09 h\n"
                  "                failures as reliability says: cluster mine: our log\n") !=
        std::string::npos);
}

TEST_CASE("a run that never ends is told so, and what failures it rests on") {
  Report report;
  TrainingReport t;
  t.step_us = 1e6;
  t.ranks = {{.f_us = 1e6}};
  t.goodput = Goodput{.mtbf_h = 0.015625,
                      .checkpoint_every_s = 30,
                      .lost_share = 1,
                      .goodput = 1e-8,
                      .ends = false};
  CHECK(tools::training_text(t, report).find(
            "  run           NEVER ENDS: 1e-06 % of the time is progress, a failure every "
            "0.0156 h, a checkpoint every 30 s\n") != std::string::npos);
  t.goodput = Goodput{.days = 2};
  CHECK(tools::training_text(t, report).find(
            "  run           100.0 % of the time is progress, no failures are counted\n") !=
        std::string::npos);
}
