// Steps of training: processor time of each, as `moesim run` has them without reading its files.
//
//   bench_training [NAME …]     those of the table below; none: all but the fluid one and `layouts`
//
// Must, one core: balanced 0.15 s; trace, skewed and uniform 2 s; fluid 30 s; the pipelines 10 and
// 150 ms; a thousand layouts 60 s; 1 GiB.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/heap.h"
#include "tests/bench/cpu_time.h"
#include "workloads/run.h"
#include "workloads/training/play_schedule.h"

using namespace moesim;

namespace {

double played(const std::string& scenario, const std::vector<std::string>& overrides) {
  const workloads::Scenario read =
      workloads::load_scenario("configs/scenarios/" + scenario + ".yaml", overrides);
  const double begin = tests::cpu_seconds();
  (void)workloads::run(read);
  return tests::cpu_seconds() - begin;
}

// Level 2 alone, on stages that differ.
double pipeline(workloads::ScheduleName name, std::int64_t ranks, std::int64_t micro_batches) {
  const double begin = tests::cpu_seconds();
  const workloads::PipelineSchedule schedule =
      workloads::make_schedule(name, {.ranks = ranks, .micro_batches = micro_batches});
  workloads::ScheduleTimes times;
  for (std::int64_t s = 0; s < schedule.stages(); ++s)
    times.stages.push_back({.forward = sim::Duration(1000 + s),
                            .backward_input = sim::Duration(1200 + s),
                            .backward_weight = sim::Duration(800 + s),
                            .backward = sim::Duration(2000 + 2 * s)});
  (void)workloads::play(schedule, times);
  return tests::cpu_seconds() - begin;
}

// Qwen3-235B on 256 H100: mappings, micro-batches and recomputation, every one as a run by itself.
// Gives the seconds of a thousand.
double layouts() {
  double sum = 0;
  int count = 0;
  for (const int tp : {1, 2, 4})
    for (const int pp : {4, 8, 16})
      for (const int ep : {8, 16, 32})
        for (const int micro : {1, 2})
          for (const char* recompute : {"[]", "[layernorm, moe_act]", "[full]"}) {
            const int dp = 256 / tp / pp;
            if (tp * dp % ep != 0) continue;
            sum += played("qwen3-235b-training-h100",
                          {fmt::format("parallelism={{tp: {}, pp: {}, dp: {}, ep: {}, etp: 1}}", tp,
                                       pp, dp, ep),
                           "routing={law: balanced}", fmt::format("training.micro_batch={}", micro),
                           fmt::format("training.recompute={}", recompute),
                           "training.schedule=1f1b", "training.virtual_stages=1"});
            ++count;
          }
  fmt::print("{} layouts, {:.2f} s: ", count, sum);
  return sum * 1000 / count;
}

struct Row {
  const char* name;
  const char* what;
  double most;  // seconds
  double (*seconds)();
};

const std::string kDeepSeek = "deepseek-v3-training-h800";

const std::vector<Row> kRows{
    {"balanced", "DeepSeek-V3, 2,048 GPUs, DualPipe, balanced, closed form", 0.15,
     [] { return played(kDeepSeek, {"routing={law: balanced}"}); }},
    {"trace", "the same from a trace, 8 draws", 2,
     [] {
       return played(kDeepSeek,
                     {"routing={trace: configs/traces/deepseek-like.h5}", "training.draws=8"});
     }},
    {"skewed", "the same from a skewed law, 8 draws", 2,
     [] {
       return played(kDeepSeek, {"routing={law: zipf, skew: 0.5}", "training.draws=8"});
     }},
    {"uniform", "the same from the uniform law, 8 draws", 2,
     [] { return played(kDeepSeek, {"training.draws=8"}); }},
    {"fluid", "from a trace, 8 draws, fluid", 30,
     [] {
       return played(kDeepSeek, {"routing={trace: configs/traces/deepseek-like.h5}",
                                 "training.draws=8", "network=fluid"});
     }},
    {"pipeline", "a pipeline alone, 16 ranks, 120 micro-batches, DualPipe", 0.01,
     [] { return pipeline(workloads::ScheduleName::DualPipe, 16, 120); }},
    {"long", "a pipeline alone, 64 ranks, 512 micro-batches, 1F1B", 0.15,
     [] { return pipeline(workloads::ScheduleName::OneFOneB, 64, 512); }},
    {"layouts", "a thousand layouts of Qwen3-235B on 256 GPUs, balanced", 60, layouts},
};

}  // namespace

int main(int argc, char** argv) {
  moesim::sim::keep_freed_memory();  // as the program does
  const std::vector<std::string> asked(argv + 1, argv + argc);
  for (const Row& row : kRows) {
    const bool long_one = row.seconds == layouts || std::string(row.name) == "fluid";
    if (asked.empty() ? long_one : std::ranges::find(asked, row.name) == asked.end()) continue;
    const double seconds = row.seconds();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    fmt::print("{}: {:.3f} s (must {} s); peak so far {} MiB\n", row.what, seconds, row.most,
               usage.ru_maxrss / 1024);
  }
}
