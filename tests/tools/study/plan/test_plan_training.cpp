// Plans of a run of training: what a staged search finds is what an exhaustive one does, what is
// refused by proof is, and an answer's scenario is what was planned.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tests/tools/study/plan/small_plans.h"
#include "tools/report/page.h"
#include "tools/report/page_kinds.h"
#include "workloads/training/training_report.h"

using namespace moesim;
using namespace moesim::tests;

namespace moesim::tools {
Command plan_command();
Command run_command();
}  // namespace moesim::tools

namespace {

// Mixtral on up to four nodes of eight H100: 56 candidates.
constexpr const char* kTraining =
    "name: a run\nmodel: mixtral-8x7b\n"
    "training: {sequence: 4096, global_batch: 256, tokens: 1e11, draws: 2, overlap: "
    "{gradients: true, parameters: true}}\n"
    "targets: {days: 8}\ngpus: [{cluster: h100-8x8, price: 2 USD/h}]\nlimits: {gpus: 32}\n"
    "space: {tp: [2, 4], pp: [1, 4], ep: [8], etp: ['1'], micro_batch: [1, 2], recompute: [none, "
    "selective], schedule: [1f1b, interleaved, zb_v], virtual_stages: [2]}\n"
    "routing: {trace: mixtral-like}\nkernels: {gemm: trtllm, all_reduce: nccl}\n";

Called planned(const std::vector<std::string>& set, const std::string& format = "text",
               const std::filesystem::path& emit = {}) {
  const TemporaryFolder folder;
  const auto file = folder.file("plan.yaml", kTraining);
  Values values{{"FILE", {file.string()}}, {"set", set}, {"format", {format}}};
  if (!emit.empty()) values["emit"] = {emit.string()};
  return call(tools::plan_command(), values);
}

}  // namespace

TEST_CASE("a staged search of a run of training has the answers of an exhaustive one") {
  for (const char* more : {"", "objective: power\n"}) {
    CAPTURE(more);
    const tools::Plan staged = plan(kTraining, more);
    const tools::Plan all = plan(kTraining, std::string(more) + "search: {exhaustive: true}\n");
    REQUIRE_FALSE(all.answers.empty());
    CHECK(roles_and_engines(staged) == roles_and_engines(all));
    std::size_t measured = 0, fits = 0;
    for (std::size_t i = 0; i < all.candidates.size(); ++i) {
      const tools::Candidate &c = all.candidates[i], &s = staged.candidates[i];
      measured += s.measured ? 1 : 0;
      fits += c.measured ? 1 : 0;
      // What a proof refuses it refuses in either.
      if (!s.rejected) continue;
      for (const char* code : {"batch", "memory", "floor_days"})
        if (s.rejected->code == code && !s.measured) CHECK(c.rejected->code == code);
      if (c.offer) CHECK_FALSE(tools::better(*c.offer, all.answers.front().offer));
    }
    CHECK(measured < fits);
  }
}

TEST_CASE("a run's scenario is what moesim run reads, with the same step and the same days") {
  const TemporaryFolder folder;
  const auto emitted = folder.path() / "chosen.yaml";
  const Called called = planned({}, "json", emitted);
  REQUIRE(called.code == sim::ExitCode::Ok);
  const auto answer = nlohmann::json::parse(called.out)["plan"]["answers"][0];
  const Called run =
      call(tools::run_command(), {{"SCENARIO", {emitted.string()}}, {"format", {"json"}}});
  REQUIRE(run.code == sim::ExitCode::Ok);
  const auto json = nlohmann::json::parse(run.out);
  CHECK(json["step_time_us"]["mean"] == answer["metrics"]["step_time_us"]);
  CHECK(json["training"]["goodput"]["days"].get<double>() ==
        doctest::Approx(answer["run"]["days"]["p50"].get<double>()));
  CHECK(json["training"]["goodput"]["goodput"] == answer["run"]["goodput"]);
  CHECK(json["training"]["goodput"]["gpu_hours"].get<double>() ==
        doctest::Approx(answer["run"]["gpu_hours"].get<double>()));
  CHECK(json["training"]["mfu"] == answer["metrics"]["mfu"]);
  // In time, with the confidence; its cost is that of the hours that it takes.
  CHECK(answer["run"]["days"]["p50"].get<double>() <= 8);
  CHECK(answer["probability"].get<double>() >= 0.8);
  CHECK(answer["run"]["cost"].get<double>() ==
        doctest::Approx(2 * answer["run"]["gpu_hours"].get<double>()));
  CHECK(answer["run"]["energy_kwh"].get<double>() ==
        doctest::Approx(answer["power"]["total_w"].get<double>() / 1e3 * 24 *
                        answer["run"]["days"]["p50"].get<double>()));
  CHECK(answer["cost"]["per_million_total_tokens"].get<double>() ==
        doctest::Approx(answer["run"]["cost"].get<double>() / 1e5));
  CHECK_FALSE(answer.contains("availability"));
}

TEST_CASE("more days never take more GPUs, more tokens never fewer") {
  const auto gpus = [](const std::vector<std::string>& set) {
    std::vector<std::string> all = set;
    all.insert(all.end(), {"objective=gpus", "limits.gpus=64"});
    const auto json = nlohmann::json::parse(planned(all, "json").out);
    return json["plan"]["answers"][0]["gpus"].get<std::int64_t>();
  };
  CHECK(gpus({}) == 32);
  CHECK(gpus({"targets.days=20"}) <= 32);
  CHECK(gpus({"targets.days=4.5"}) == 64);
  CHECK(gpus({"training.tokens=5e10"}) <= 32);
}

TEST_CASE("a plan of training says how long, how sure, what failures take, and why not fewer") {
  const Called called = planned({});
  CAPTURE(called.out);
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(called.out.starts_with("a run: 1e+11 tokens within 8 days; 56 candidates, "));
  for (const char* part :
       {"\n  chosen, fewest: 32 GPUs (4 nodes), H100 SXM, tp2-",
        "\n  takes     ",
        " days (80 %: ",
        " GPU-hours\n  sure      done within 8 days with probability 0.",
        "; 0.80 asked\n",
        "\n  then      a step of 1048576 tokens takes ",
        " tokens/s per GPU, MFU ",
        " of 85.5 GB of the fullest card\n",
        "\n  goodput   99.7 % of the time is progress: a stop every 1584.4 h (50700 GPU-hours to "
        "one), 600 s to be back; a checkpoint of 30 s every 308 min\n",
        "\n  costs     ",
        " USD in all, ",
        " per million tokens; 64.00 USD/h\n",
        "\n  power     ",
        " W a GPU; ",
        " J per token\n",
        "\n  fewer     the best of fewer, 16 H100 SXM (tp",
        "\n  second    32 H100 SXM (tp",
        "\n  why not the others\n",
        "  batch       such as 24 H100 SXM, ",
        "  memory      such as ",
        " GB at least of 85.52 GB, a GPU of the fullest rank\n",
        ": worse by more than the margin\n",
        "\n  search    estimates are off by "}) {
    CAPTURE(part);
    CHECK(has(called.out, part));
  }
}

TEST_CASE("where no run is done in time the nearest is told, and the days that would do") {
  const Called short_of = planned({"targets.days=5"});
  CAPTURE(short_of.out);
  CHECK(short_of.code == sim::ExitCode::Infeasible);
  CHECK(has(short_of.out,
            "\n  nothing meets the targets within the limits\n  nearest   32 H100 SXM (tp"));
  CHECK(has(short_of.out, "  floor_days  such as 16 H100 SXM, "));
  CHECK(has(short_of.out, " days, of 5\n"));
  CHECK(short_of.err.ends_with(
      "moesim plan: nothing within the limits meets the targets with that confidence\n"));
  const std::string would_do = "\n  would do  targets: {days: ";
  const std::size_t at = short_of.out.find(would_do);
  REQUIRE(at != std::string::npos);
  const std::string days =
      short_of.out.substr(at + would_do.size(), short_of.out.find('}', at) - at - would_do.size());
  CHECK(planned({"targets.days=" + days}).code == sim::ExitCode::Ok);
  // All refused by their floors: those that come nearest by them are played.
  const Called far = planned({"targets.days=1"});
  CAPTURE(far.out);
  CHECK(far.code == sim::ExitCode::Infeasible);
  CHECK(has(far.out, would_do));
  // A limit that stands in the way is told, too.
  const Called dear = planned({"limits.cost=20 USD/h"});
  CAPTURE(dear.out);
  CHECK(has(dear.out, " USD/h would do, of 20.00\n"));
  CHECK(has(dear.out, "\n  would do  limits: {cost: 64.00 USD/h}\n"));
  // Nothing fits eight cards.
  const Called few = planned({"limits.gpus=8"});
  CAPTURE(few.out);
  CHECK(few.code == sim::ExitCode::Infeasible);
  CHECK(has(
      few.out,
      "\n  nearest   8 H100 SXM (tp4-dp2-ep8, micro-batch 1, selective recompute): a GPU lacks "));
  CHECK(has(few.out, "\n  may do    more GPUs, or training: {sharding: weights}\n"));
  const auto json = nlohmann::json::parse(planned({"limits.gpus=8"}, "json").out);
  CHECK(json["plan"]["nearest"]["lacking_bytes"].get<double>() > 1e9);
}

TEST_CASE("what does not fit is not told as the best of fewer") {
  const tools::Plan found = plan(kTraining);
  REQUIRE_FALSE(found.answers.empty());
  for (const tools::Candidate& c : found.candidates) {
    if (!c.measured || c.measured->capacity.p50 > 0) continue;
    CAPTURE(c.name);
    REQUIRE(c.rejected);
    CHECK(c.rejected->code == "memory");
  }
  const Called called = planned({});
  const std::size_t at = called.out.find("the best of fewer, 16 H100 SXM (") + 32;
  const std::string name = called.out.substr(at, called.out.find("), takes", at) - at);
  const auto told = std::ranges::find_if(found.candidates, [&](const tools::Candidate& c) {
    return c.gpus() == 16 && c.name == name;
  });
  REQUIRE(told != found.candidates.end());
  REQUIRE(told->rejected);
  CHECK(told->rejected->code != "memory");
}

TEST_CASE("a plan of training has a page") {
  const TemporaryFolder folder;
  const auto page = [&](const std::string& set) {
    const auto report = nlohmann::json::parse(planned({set}, "json").out);
    return tools::to_json(tools::plan_page(report), nlohmann::json::object()).dump();
  };
  const std::string done = page("targets.days=8");
  CAPTURE(done);
  for (const char* part : {"tokens/s within 8 days, 1e+11 tokens", "\"days\",\"6.",
                           "\"GPU-hours\",", "\"cost of the run\",", " USD\""})
    CHECK(has(done, part));
  CHECK_FALSE(has(done, "too few run"));
  CHECK(has(page("targets.days=5"),
            " Nearest are 32 H100 SXM (tp2-pp4-dp4-ep8, micro-batch 2, zb_v), in 6.8 days."));
  CHECK(has(page("limits.gpus=8"), "selective recompute): a GPU lacks "));
}

TEST_CASE("what is wrong with a run whatever its layout is said before anything is searched") {
  const auto message = [](const std::string& set) {
    return thrown<sim::ConfigError>([&] { (void)planned({set}); });
  };
  CHECK(message("training.overlap={delay_weight_gradients: true}") ==
        "the plan: training: overlap.delay_weight_gradients is a part of overlap.expert: set both");
  CHECK(message("engine=vllm") ==
        "the plan: engine: an engine serves; training has none: leave it out");
  CHECK(has(message("training.shading=none"), "training: unknown key \"shading\"; did you mean "));
}
