#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "sim/error.h"
#include "tools/moesim/command.h"
#include "tools/moesim/config_folder.h"
#include "validation/calibrate/plan.h"
#include "validation/calibrate/plan_coverage.h"
#include "validation/calibrate/plan_loads.h"
#include "workloads/model/model_spec.h"

using namespace moesim;
using validation::PlanOptions;
using validation::cuda::PlanPoint;

namespace {

// From the models' public configurations, beside the files that ship.
PlanOptions eight_models() {
  PlanOptions options;
  options.models = {{"Mixtral-8x7B", 4096, 14336, 8, 2},
                    {"Mixtral-8x22B", 6144, 16384, 8, 2},
                    {"Grok-1", 6144, 32768, 8, 2},
                    {"DeepSeek-V3", 7168, 2048, 256, 8},
                    {"Qwen3-235B-A22B", 4096, 1536, 128, 8},
                    {"Qwen3-30B-A3B", 2048, 768, 128, 8},
                    {"Llama-4-Maverick", 5120, 8192, 128, 1},
                    {"gpt-oss-120b", 2880, 2880, 128, 4}};
  options.holdout_model = "Qwen3-235B-A22B";
  return options;
}

const tools::Command& command(const std::string& name) {
  for (const tools::Command& c : tools::commands()) {
    if (c.name == name) return c;
  }
  throw std::runtime_error("no command " + name);
}

}  // namespace

TEST_CASE("a plan is the same every time, and another seed moves only the routings") {
  const PlanOptions options = eight_models();
  const std::string text = plan_text(make_plan(options));
  CHECK(text == plan_text(make_plan(options)));
  PlanOptions other = options;
  other.seed = 2;
  const auto a = make_plan(options).points, b = make_plan(other).points;
  REQUIRE(a.size() == b.size());
  bool moved = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].id == b[i].id);
    if (a[i].loads != b[i].loads) {
      moved = true;
      const bool dealt = a[i].detail.find(" dealt") != std::string::npos;
      CHECK((a[i].op == "layer" || a[i].role == "holdout_model" || dealt));
    }
  }
  CHECK(moved);
}

TEST_CASE(
    "every shard of the eight models lies within 2.6 of what is fitted on in every direction") {
  const PlanOptions options = eight_models();
  for (const char* held : {"Qwen3-235B-A22B", ""}) {
    CAPTURE(held);
    PlanOptions other = options;
    other.holdout_model = held;
    const validation::Coverage cover = coverage(make_plan(other), other);
    CHECK(cover.shapes <= 2.6);
    // Levels lie a factor of 4 apart, so nothing is farther than 2 from one.
    CHECK(cover.rows <= 2);
    CHECK(cover.active <= 2);
    CHECK(cover.experts <= 2);
    CHECK(cover.worst() <= 2.6);
  }
}

TEST_CASE("each implementation alone is fitted on what covers the models") {
  // A cost model has its own parameters for each: a shape that another one measured is no help.
  const PlanOptions options = eight_models();
  for (const std::string& impl : options.implementations) {
    CAPTURE(impl);
    auto plan = make_plan(options);
    std::erase_if(plan.points, [&](const PlanPoint& p) { return p.impl != impl; });
    CHECK(coverage(plan, options).worst() <= 2.6);
  }
}

TEST_CASE("a plan without a level is seen to leave it uncovered") {
  const PlanOptions options = eight_models();
  const auto without = [&](auto leave_out) {
    auto plan = make_plan(options);
    std::erase_if(plan.points, leave_out);
    return coverage(plan, options);
  };
  // Of the levels 1, 4, 16, … the neighbours of 4 that is gone are 1 and 16: 4 lies 4 from both.
  CHECK(without([](const PlanPoint& p) { return p.active() > 1 && p.active() < 16; }).active ==
        doctest::Approx(4));
  // 256 rows are 4 from 64 when the products of more than that are gone, and 4096 are 64.
  CHECK(without([](const PlanPoint& p) {
          return !p.loads.empty() && p.rows() > 70 * p.active();
        }).rows > 50);
  // The widest of Grok-1 is 65536: without products above 30000, the next is Mixtral's 28672.
  CHECK(without([](const PlanPoint& p) { return p.n > 30000; }).shapes >= 2.28);
}

TEST_CASE("the experts of a GPU are a dimension of the plan") {
  const PlanOptions options = eight_models();
  // 8 over 1, 2, 4, 8 GPUs; 128 and 256 over up to 64: every power of two up to 256.
  CHECK(validation::expert_counts(options.models, options.eps) ==
        std::vector<int>{1, 2, 4, 8, 16, 32, 64, 128, 256});
  PlanOptions alone = options;
  alone.eps = {1};
  CHECK(validation::expert_counts(alone.models, alone.eps) == std::vector<int>{8, 128, 256});
  alone.eps = {3};
  CHECK_THROWS_WITH_AS(make_plan(alone), "no --ep divides the experts of any of the models",
                       sim::ConfigError);
  // The held-out model's 128 experts over 8 GPUs: 16 a GPU, and 8 times the tokens of one.
  int spread_out = 0;
  for (const PlanPoint& p : make_plan(options).points) {
    if (p.role != "holdout_model" || p.detail.find(" ep8 ") == std::string::npos) continue;
    ++spread_out;
    CHECK(p.experts == 16);
    const int tokens = p.detail.find(" 16 tokens") != std::string::npos ? 16 : 1024;
    // Each of the 8 GPUs sends an eighth of its selections here, give or take: 8 tokens on average.
    CHECK(p.rows() > 0.6 * tokens * 8);
    CHECK(p.rows() < 1.4 * tokens * 8);
  }
  CHECK(spread_out == 3 * 2 * 2);
}

TEST_CASE("rows are dealt to experts so that they sum up") {
  using namespace validation;
  CHECK(even_loads(3, 2, 1) == std::vector<int>{3, 3, 0});
  // 11 in proportion to 1, 1/2, 1/3 (of 11/6): 6, 3, 2.
  CHECK(skewed_loads(11, 3) == std::vector<int>{6, 3, 2});
  const std::vector<int> dealt = dealt_loads(1000, 8, 1, "x");
  CHECK(std::accumulate(dealt.begin(), dealt.end(), 0) == 1000);
  CHECK(dealt != dealt_loads(1000, 8, 1, "y"));
  // 7 tokens of each of 4 GPUs, two experts each: 56 selections over 8 experts, 2 of them here.
  const ExpertShape m{"m", 64, 64, 8, 2};
  const std::vector<int> whole = router_loads(m, 28, 1, 1), part = router_loads(m, 7, 4, 1);
  CHECK(std::accumulate(whole.begin(), whole.end(), 0) == 56);
  CHECK(part == std::vector<int>(whole.begin(), whole.begin() + 2));
}

TEST_CASE("tensor-parallel shards have the shapes that the models' widths give") {
  // Mixtral-8x7B at tp 2: gate and up of 7168 each, on 4096; down from 7168.
  const std::vector<validation::ExpertShape> mixtral{{"Mixtral-8x7B", 4096, 14336, 8, 2}};
  const std::vector<int> tps{2};
  const auto shapes = validation::weight_shapes(mixtral, tps);
  REQUIRE(shapes.size() == 2);
  CHECK(shapes[0].n == 14336);
  CHECK(shapes[0].k == 4096);
  CHECK(shapes[1].n == 4096);
  CHECK(shapes[1].k == 7168);
  // All eight at 1, 2, 4, 8: 56 different ones.
  const PlanOptions options = eight_models();
  CHECK(validation::weight_shapes(options.models, options.tps).size() == 56);
}

TEST_CASE("hold-outs share no shape with what is fitted on") {
  const PlanOptions options = eight_models();
  std::set<std::pair<int, int>> fitted;
  std::map<std::string, int> grouped;
  const auto plan = make_plan(options);
  const auto is_gemm = [](const PlanPoint& p) { return p.op == "gemm" || p.op == "grouped_gemm"; };
  for (const PlanPoint& p : plan.points) {
    if (is_gemm(p) && p.role == "fit") fitted.emplace(p.n, p.k);
  }
  for (const PlanPoint& p : plan.points) {
    if (!is_gemm(p)) continue;
    if (p.detail != "dense") ++grouped[p.role];
    if (p.role == "holdout" || p.role == "holdout_model") {
      CHECK(fitted.count({p.n, p.k}) == 0);
    }
    if (p.role == "holdout_model") CHECK(p.detail.find("Qwen3-235B") == 0);
  }
  // 128 for each of three implementations: 96 to fit on, 32 to judge by.
  CHECK(grouped["fit"] >= 3 * 96);
  CHECK(grouped["fit"] <= 3 * 100);
  CHECK(grouped["holdout"] == 3 * 32);
  CHECK(grouped["holdout_model"] > 0);
  // Dense products: seven rows of six shapes and of one that judges, by the library and in fp8.
  CHECK(std::ranges::count(plan.points, "dense", &PlanPoint::detail) == 2 * 7 * 7);
  // Decode attention: eight caches of four kinds of heads, and of one that judges.
  CHECK(std::ranges::count(plan.points, "attention_decode", &PlanPoint::op) == 5 * 8);
  // Prefill: nine kinds of prompts of the same heads.
  CHECK(std::ranges::count(plan.points, "attention_prefill", &PlanPoint::op) == 5 * 9);
  // Five numbers of tokens through the routers of seven different mixtures (Grok-1's is that of
  // Mixtral-8x22B), one of them held out; three more of the last as unseen shapes.
  for (const char* op : {"router", "permute", "unpermute"}) {
    std::map<std::string, int> roles;
    for (const PlanPoint& p : plan.points) {
      if (p.op != op) continue;
      ++roles[p.role];
      CHECK_FALSE(p.cold);
      CHECK((p.detail == "Qwen3-235B-A22B") == (p.role == "holdout_model"));
    }
    CHECK(roles == std::map<std::string, int>{{"fit", 30}, {"holdout", 3}, {"holdout_model", 5}});
  }
  // NCCL: six sizes of four operations on 2, 4 and 8 GPUs.
  CHECK(std::ranges::count(plan.points, "nccl", &PlanPoint::impl) == 6 * 4 * 3);
  for (const PlanPoint& p : plan.points) {
    if (p.op == "layer") {
      CHECK((p.detail.find("Qwen3-235B") == 0) == (p.role == "holdout_model"));
    }
  }
}

TEST_CASE("every point can be measured: widths, loads and memory are in bounds") {
  const auto plan = make_plan(eight_models());
  std::set<std::string> ids;
  for (const PlanPoint& p : plan.points) {
    CAPTURE(p.id);
    CHECK(ids.insert(p.id).second);
    CHECK(p.n % 8 == 0);
    CHECK(p.hidden % 8 == 0);
    CHECK(static_cast<int>(p.loads.size()) <= validation::cuda::kMaxExperts);
    if (p.op == "layer") {
      CHECK(p.rows() == p.tokens * p.top_k);
      CHECK(*std::max_element(p.loads.begin(), p.loads.end()) <= p.tokens);
    }
    CHECK(p.bytes < 30e9);
  }
}

TEST_CASE("a point's bytes and arithmetic are those of its shape") {
  bool prompt = false;
  for (const PlanPoint& p : make_plan(eight_models()).points) {
    if (p.op == "attention_prefill" && p.top_k == 32 && p.experts == 8 && p.n == 512 &&
        p.k == 8192) {
      prompt = true;
      // 512 queries see 7,680 keys before them and (1 + … + 512) of their own: 4,063,488 pairs; 4
      // FLOP for each of 128 values in 32 heads.
      CHECK(p.flops == 4.0 * 32 * 128 * 4'063'488);
      // Keys and values of 8 heads, queries and results of 32, of 256 B.
      CHECK(p.bytes == 2.0 * 256 * (8 * 8192 + 32 * 512));
    }
    if (p.id != "ceiling-002") continue;  // bf16 by wgmma, 8192 cubed
    // 2 * 8192^3; three matrices of 8192^2 in bf16.
    CHECK(p.flops == 2.0 * 8192 * 8192 * 8192);
    CHECK(p.bytes == 3.0 * 8192 * 8192 * 2);
  }
  CHECK(prompt);
}

TEST_CASE("models that cannot be covered or held out are told so") {
  PlanOptions options = eight_models();
  options.holdout_model = "Qwen";
  CHECK_THROWS_WITH_AS(make_plan(options),
                       "the model to hold out, \"Qwen\", is not among those of the plan: "
                       "Mixtral-8x7B, Mixtral-8x22B, Grok-1, DeepSeek-V3, Qwen3-235B-A22B, "
                       "Qwen3-30B-A3B, Llama-4-Maverick, gpt-oss-120b",
                       sim::ConfigError);
  options.models = {{"Grok-1", 6144, 32768, 8, 2}, {"Qwen3-30B-A3B", 2048, 768, 128, 8}};
  options.holdout_model = "Qwen3-30B-A3B";
  // Of its shards the narrowest, 192 wide, is farthest from Grok's 8192 and 6144: 6144 / 192 is 32,
  // and its down projection from 96 is 4096 / 96 from Grok's narrowest.
  CHECK_THROWS_WITH_AS(
      make_plan(options),
      "the shapes left to fit on lie up to a factor 42.7 from those of the models, "
      "and 2.6 is wanted: hold out another model, or allow more tp",
      sim::ConfigError);
  options.models = {{"Qwen3-30B-A3B", 2048, 768, 128, 8}};
  CHECK_THROWS_WITH_AS(make_plan(options), "a plan needs a model that is not held out",
                       sim::ConfigError);
}

TEST_CASE("moesim calibrate plan prints a plan of the models that ship") {
  std::ostringstream out, err;
  tools::Arguments arguments;
  arguments.values = {{"tp", {"1,2,4,8"}},
                      {"points", {"128"}},
                      {"holdout", {"32"}},
                      {"holdout-model", {"qwen3-235b-a22b"}},
                      {"ep", {"1,2,4,8,16,32,64"}},
                      {"seed", {"1"}},
                      {"impl", {"moesim_mma,moesim_wgmma,moesim_fp8"}},
                      {"format", {"text"}}};
  CHECK(command("calibrate plan").run(arguments, {out, err}) == sim::ExitCode::Ok);
  const auto plan = validation::cuda::parse_plan(out.str(), "plan");
  CHECK(plan.points.size() > 400);
  CHECK(err.str().find("every shard lies within a factor 2.") != std::string::npos);
  arguments.values["tp"] = {"1,x"};
  CHECK_THROWS_WITH_AS(command("calibrate plan").run(arguments, {out, err}),
                       "--tp: expected whole numbers from 1 to 64 such as 1,2,4,8, not \"1,x\"",
                       sim::ConfigError);
  arguments.values["tp"] = {"1"};
  arguments.values["ep"] = {"1,1024"};
  CHECK_THROWS_WITH_AS(command("calibrate plan").run(arguments, {out, err}),
                       "--ep: expected whole numbers from 1 to 512 such as 1,2,4,8, not \"1,1024\"",
                       sim::ConfigError);
  arguments.values["ep"] = {"1"};
  arguments.values["impl"] = {"cutlass"};
  CHECK_THROWS_WITH_AS(
      command("calibrate plan").run(arguments, {out, err}),
      "--impl: expected some of moesim_mma, moesim_wgmma, moesim_fp8, not \"cutlass\"",
      sim::ConfigError);
  arguments.values["impl"] = {"moesim_mma"};
  arguments.values["holdout"] = {"125"};
  CHECK_THROWS_WITH_AS(command("calibrate plan").run(arguments, {out, err}),
                       "--holdout: at least 8 of the points are to fit on", sim::ConfigError);
}
