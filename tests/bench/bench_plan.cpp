// Plans among many engines: processor time, and how many were thought of, estimated and measured.
//
//   bench_plan qwen3 | deepseek [law]   a thousand candidates and more after the rules, with a
//                                       trace's routing or with a law's
//   bench_plan training                 DeepSeek-V3's run on up to 2,048 H800, all of the default
//                                       space: 140,898 candidates
//   bench_plan spaces [NAME]            small spaces, staged and exhaustively: the same answers?
//
// Must, on one core: qwen3 (Qwen3-235B on up to 64 H200) 30 s, deepseek (DeepSeek-V3 on up to 128
// H100) 60 s; training a minute or two.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "sim/heap.h"
#include "sim/io/yaml_reader.h"
#include "tests/bench/cpu_time.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/shipped.h"
#include "tools/study/plan/plan.h"
#include "workloads/routing/trace/trace_cache.h"

using namespace moesim;

namespace {

struct Space {
  std::string_view name;
  const char* question;
};

constexpr std::array<Space, 3> kLarge{
    {{"qwen3",
      "model: qwen3-235b-a22b\n"
      "load: {arrivals: {law: poisson, rate: 24 /s}, input: 2000, output: 500}\n"
      "targets: {ttft: 2 s, tpot: 80 ms}\ngpus: [{cluster: h200-8x8, price: 2.6 USD/h}]\n"
      "limits: {gpus: 64}\nspace: {redundant: [0, 32], two_batch: [false, true]}\n"
      "vary: {precision.kv_cache: [bf16, fp8]}\nprecision: {weights: fp8_block}\n"
      "routing: {trace: qwen3-235b-like, tokens: repeat}\nengine: sglang\n"},
     {"deepseek",
      "model: deepseek-v3\n"
      "load: {arrivals: {law: poisson, rate: 24 /s}, input: 2000, output: 500}\n"
      "targets: {ttft: 2 s, tpot: 80 ms}\ngpus: [{cluster: h100-16x8, price: 2.0 USD/h}]\n"
      "limits: {gpus: 128}\nspace: {redundant: [0, 32], two_batch: [false, true]}\n"
      "vary: {precision.kv_cache: [bf16, fp8]}\nprecision: {weights: fp8_block}\n"
      "routing: {trace: deepseek-like, tokens: repeat}\nengine: sglang\n"},
     {"training",
      "model: deepseek-v3\n"
      "training: {sequence: 4096, global_batch: 15360, tokens: 14.8e12, optimizer: {moments: "
      "bf16}, overlap: {gradients: true, parameters: true}}\n"
      "targets: {days: 60}\ngpus: [h800-256x8]\nlimits: {gpus: 2048}\n"
      "precision: {weights: fp8_block, dispatch: fp8}\n"
      "kernels: {gemm: deepgemm, all_reduce: nccl, all_to_all: deepep_normal}\n"
      "routing: {law: uniform}\n"}}};

constexpr std::array<Space, 6> kSmall{
    {{"mixtral_8_h100",
      "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 12000 /s}\n"
      "targets: {tpot: 15 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
      "space: {pp: [1, 2]}\nrouting: {law: uniform}\n"},
     {"qwen3_30b_8_h200",
      "model: qwen3-30b-a3b\nload: {phase: decode, context: 4096, rate: 20000 /s}\n"
      "targets: {tpot: 20 ms}\ngpus: [h200-1x8]\nlimits: {gpus: 8}\n"
      "space: {pp: [1]}\nrouting: {law: log_normal, skew: 1}\n"},
     {"qwen3_235b_16_h200",
      "model: qwen3-235b-a22b\nload: {phase: decode, context: 4096, rate: 8000 /s}\n"
      "targets: {tpot: 50 ms}\ngpus: [h200-2x8]\nlimits: {gpus: 16}\n"
      "space: {pp: [1]}\nrouting: {law: log_normal, skew: 1}\nprecision: {weights: fp8_block}\n"},
     {"gpt_oss_120b_8_h100",
      "model: gpt-oss-120b\nload: {phase: prefill, prompt: 4096, rate: 60000 /s}\n"
      "targets: {ttft: 1 s}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
      "space: {pp: [1]}\nrouting: {law: uniform}\n"},
     {"deepseek_v3_32_h800",
      "model: deepseek-v3\nload: {phase: decode, context: 4096, rate: 12000 /s}\n"
      "targets: {tpot: 60 ms}\ngpus: [h800-4x8]\nlimits: {gpus: 32}\n"
      "space: {pp: [1]}\nrouting: {law: log_normal, skew: 1}\nprecision: {weights: fp8_block}\n"},
     {"mixtral_service_8_h100",
      "model: mixtral-8x7b\n"
      "load: {arrivals: {law: poisson, rate: 30 /s}, input: 300, output: 60, count: 240, warm_up: "
      "40}\n"
      "targets: {ttft: 1 s, tpot: 30 ms}\ngpus: [h100-1x8]\nlimits: {gpus: 8}\n"
      "space: {tp: [1, 2, 4], pp: [1]}\nengine: vllm\nkernels: {moe: trtllm}\n"
      "routing: {law: uniform}\n"
      "serving: {iteration: {draws: 1, checks: 4, error: 0.05}}\n"}}};

// Processor time by what a plan says that it does.
class Times {
 public:
  void operator()(const std::string& what) {
    const double now = tests::cpu_seconds();
    seconds_[what_] += now - since_;
    what_ = what;
    since_ = now;
  }
  std::string text() {
    (*this)("");
    std::string text;
    for (const auto& [what, seconds] : seconds_)
      text += fmt::format(", {} {:.1f}", what.empty() ? "else" : what, seconds);
    return text.substr(2);
  }

 private:
  std::map<std::string, double> seconds_;
  std::string what_;
  double since_ = tests::cpu_seconds();
};

tools::Plan plan_of(const std::string& question, Times* times = nullptr) {
  const tests::TemporaryFolder folder;
  const auto traces = std::make_shared<const workloads::TraceCache>(folder.path() / "traces");
  const auto document = sim::io::YamlDocument::parse(question, "bench_plan");
  return tools::make_plan(tools::read_plan(document.root()),
                          {.shipped = tools::shipped(),
                           .traces = traces,
                           .progress = [&](const std::string& what, std::size_t, std::size_t) {
                             if (times != nullptr) (*times)(what);
                           }});
}

// To the questions that the search is for: answers to others are of what it measured.
std::vector<std::string> answers_of(const tools::Plan& plan) {
  std::vector<std::string> all;
  for (const tools::PlanAnswer& a : plan.answers)
    for (const std::string& role : a.roles)
      if (role == "chosen" || role == "fewest" || role == "cheapest")
        all.push_back(
            fmt::format("{} {} x {}", role, a.offer.engines, plan.candidates[a.candidate].name));
  std::ranges::sort(all);
  return all;
}

void run_large(std::string_view name, const std::string& question) {
  const double begin = tests::cpu_seconds();
  Times times;
  const tools::Plan plan = plan_of(question, &times);
  for (const tools::PlanStage& stage : plan.stages)
    fmt::print("{:<10} {:>6} -> {:>6}\n", stage.name, stage.in, stage.out);
  fmt::print("{}: {:.1f} s of processor time ({}); {}\n", name, tests::cpu_seconds() - begin,
             times.text(), fmt::join(answers_of(plan), "; "));
}

bool run_small(const Space& space) {
  const double begin = tests::cpu_seconds();
  const tools::Plan staged = plan_of(space.question);
  const double middle = tests::cpu_seconds();
  const tools::Plan all = plan_of(std::string(space.question) + "search: {exhaustive: true}\n");
  const double end = tests::cpu_seconds();
  const bool same = answers_of(staged) == answers_of(all) && !staged.answers.empty();
  fmt::print("{:<24} {:>4} candidates, staged {:>5.1f} s, exhaustive {:>6.1f} s: {} ({})\n",
             space.name, staged.candidates.size(), middle - begin, end - middle,
             same ? "the same" : "DIFFERENT", fmt::join(answers_of(all), "; "));
  return same;
}

}  // namespace

int main(int argc, char** argv) {
  moesim::sim::keep_freed_memory();  // as the program does
  const std::string_view which = argc > 1 ? argv[1] : "spaces";
  for (const Space& space : kLarge) {
    if (space.name != which) continue;
    std::string question = space.question;
    if (argc > 2 && std::string_view(argv[2]) == "law")
      question.replace(question.find("{trace:"),
                       question.find("repeat}") + 7 - question.find("{trace:"),
                       "{law: log_normal, skew: 1}");
    run_large(space.name, question);
    return 0;
  }
  bool all_same = true;
  for (const Space& space : kSmall)
    if (argc < 3 || space.name == argv[2]) all_same = run_small(space) && all_same;
  return all_same ? 0 : 1;
}
