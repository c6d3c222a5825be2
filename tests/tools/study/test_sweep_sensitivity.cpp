// `moesim sweep sensitivity`, as a user calls it.
#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/sweep/sweep_commands.h"

using namespace moesim;
using moesim::tests::printed;
using moesim::tests::Values;

namespace {

Values mixtral(const std::string& method, std::vector<std::string> over) {
  return {{"SCENARIO", {"mixtral-8x7b-decode-h100"}},
          {"over", std::move(over)},
          {"method", {method}},
          {"set", {"network=bound", "step.count=1", "routing={law: balanced}"}}};
}

nlohmann::json json_of(Values values) {
  values["format"] = {"json"};
  return nlohmann::json::parse(printed(tools::sweep_sensitivity_command(), values));
}

std::string message(const Values& values) {
  return moesim::tests::thrown<sim::ConfigError>(
      [&] { (void)printed(tools::sweep_sensitivity_command(), values); });
}

const std::vector<std::string> kBatchAndContext{"step.batch_per_rank=8..64",
                                                "step.context=1024..4096"};

}  // namespace

TEST_CASE("a tornado has the scenario itself, and each factor at both ends, the largest first") {
  // A decode step reads all weights whatever the batch; a seed changes nothing of a balanced step.
  const auto json = json_of(mixtral("tornado", {"seed=1..2", "step.batch_per_rank=8..64"}));
  CHECK(json["runs"] == 5);
  REQUIRE(json["factors"].size() == 2);
  const auto& batch = json["factors"][0];
  CHECK(batch["key"] == "step.batch_per_rank");
  CHECK(batch["first_value"] == "8");
  CHECK(batch["last_value"] == "64");
  CHECK(batch["at_first"].get<double>() < json["base"].get<double>());
  CHECK(batch["swing"].get<double>() ==
        doctest::Approx(batch["at_last"].get<double>() - batch["at_first"].get<double>()));
  const auto& seed = json["factors"][1];
  CHECK(seed["key"] == "seed");
  CHECK(seed["swing"] == 0);
  CHECK(seed["at_first"] == json["base"]);
}

TEST_CASE("where nothing is named every cost model, the links and a law's skew vary") {
  Values values = mixtral("tornado", {});
  values.erase("over");
  values["set"].back() = "routing={law: zipf, skew: 0.5}";
  const auto ends_of = [](const nlohmann::json& json) {
    std::map<std::string, std::string> ends;
    for (const auto& factor : json["factors"])
      ends[factor["key"]] = factor["first_value"].get<std::string>() + " .. " +
                            factor["last_value"].get<std::string>();
    return ends;
  };
  const auto json = json_of(values);
  // The scenario, and both ends of two factors that are no cost model's.
  CHECK(json["runs"] == 5);
  // One node of eight GPUs with 450 GB/s each, no NIC in use.
  const auto ends = ends_of(json);
  CHECK(ends.size() == 9);
  CHECK(ends.at("cluster.scale_up.bandwidth") == "225 GB/s .. 900 GB/s");
  CHECK(ends.at("routing.skew") == "0 .. 1");
  for (const char* model :
       {"gemm", "experts", "attention", "all_to_all", "collectives", "host", "structure"})
    CHECK(ends.count(std::string("factor.") + model) == 1);

  // What no cost model moves has what a scenario has.
  values["measure"] = {"memory.peak_bytes"};
  values["set"].push_back("cluster=h100-2x8");
  values["set"].push_back("parallelism={dp: 16, ep: 8}");
  values["set"].push_back("routing={law: balanced}");
  CHECK(ends_of(json_of(values)) ==
        std::map<std::string, std::string>{
            {"cluster.scale_up.bandwidth", "225 GB/s .. 900 GB/s"},
            {"cluster.scale_out.bandwidth", "200 Gbit/s .. 1600 Gbit/s"}});
}

TEST_CASE("a cost model that is off takes no run, and only moves times and rates") {
  const auto json = json_of(mixtral("tornado", {"factor.gemm=0.9..1.1", "factor.experts",
                                                "factor.attention", "step.batch_per_rank=8..64"}));
  CHECK(json["runs"] == 3);  // the scenario, and two batches
  const double base = json["base"].get<double>();
  for (const auto& factor : json["factors"]) {
    CAPTURE(factor.dump());
    if (factor["key"] == "step.batch_per_rank") continue;
    CHECK(factor["at_first"].get<double>() < base);
    CHECK(factor["at_last"].get<double>() > base);
    if (factor["key"] == "factor.gemm")  // linear, as far down as up
      CHECK(base - factor["at_first"].get<double>() ==
            doctest::Approx(factor["at_last"].get<double>() - base));
  }
  Values values = mixtral("tornado", {"factor.gemm"});
  values["measure"] = {"memory.peak_bytes"};
  CHECK(message(values) ==
        "--over factor.gemm: moves step times and tokens a second, not \"memory.peak_bytes\"");
  values["measure"] = {"throughput.tokens_per_s"};
  const auto rate = json_of(values)["factors"][0];
  CHECK(rate["at_first"].get<double>() > rate["at_last"].get<double>());
  values["SCENARIO"] = {"mixtral-8x7b-training-h100"};
  values["set"] = {"network=bound"};
  values["measure"] = {"step_time_us.mean"};
  CHECK(message(values) ==
        "--over factor.gemm: the report does not say what its cost models are off by; that of a "
        "single step does");
}

TEST_CASE("the same bytes come from any number of threads, and others from another seed") {
  for (const std::string method : {"morris", "sobol"}) {
    CAPTURE(method);
    Values values = mixtral(method, kBatchAndContext);
    values["samples"] = {"4"};
    const std::string one = printed(tools::sweep_sensitivity_command(), values);
    values["jobs"] = {"3"};
    CHECK(printed(tools::sweep_sensitivity_command(), values) == one);
    values["seed"] = {"2"};
    CHECK(printed(tools::sweep_sensitivity_command(), values) != one);
  }
}

TEST_CASE("the text says what was asked, how often, and from which seed") {
  Values values = mixtral("morris", kBatchAndContext);
  values["samples"] = {"2"};
  const std::string text = printed(tools::sweep_sensitivity_command(), values);
  CAPTURE(text);
  // Two paths of three points, of which some may be equal.
  CHECK(
      text.starts_with("step_time_us.mean of mixtral-8x7b-decode-h100: Morris, 2 paths, seed 1; "));
  CHECK(text.find(" runs\n  factor ") != std::string::npos);
  CHECK(text.find("\n  step.batch_per_rank  8 .. 64 ") != std::string::npos);
  CHECK(text.find("\n  step.context  1024 .. 4096 ") != std::string::npos);
}

TEST_CASE("what cannot be asked is told") {
  Values values = mixtral("tornado", {"step.batch_per_rank=8..64"});
  values["measure"] = {"step_time_us"};
  CHECK(message(values) == "--measure: the report at the scenario has no number \"step_time_us\"");
  CHECK(message(mixtral("tornado", {"seed=1..2", "seed=3..4"})) == "--over: seed is given twice");
  std::vector<std::string> many;
  for (int i = 0; i < 11; ++i) many.push_back("key" + std::to_string(i) + "=1..2");
  CHECK(message(mixtral("sobol", many)) ==
        "--method sobol: takes 10 factors at most, and there are 11: morris tells which of them "
        "matter");
  const std::string wrong = message(mixtral("tornado", {"parallelism.ep=8,3"}));
  CAPTURE(wrong);
  CHECK(wrong.ends_with(
      "\n  at parallelism.ep=3: every point must be a scenario: narrow the factors"));
}

TEST_CASE("a store says what its axes make of it, and nothing is run") {
  const moesim::tests::TemporaryFolder folder;
  const std::string store = (folder.path() / "s.db").string();
  const auto sweep = [&](const std::string& file, Values more) {
    Values values{{"FILE", {"mixtral-8x7b-decode-h100"}},
                  {"set", {"network=bound", "step.count=1", "routing={law: balanced}"}},
                  {"output", {file}}};
    for (auto& [key, value] : more) values[key] = value;
    (void)printed(tools::sweep_command(), values);
  };
  sweep(store, {{"vary", {"step.batch_per_rank=8,16,32", "seed=1,2"}}});
  const auto json = json_of({{"SCENARIO", {store}}});
  CHECK(json["method"] == "grid");
  CHECK(json["points"] == 6);
  REQUIRE(json["axes"].size() == 2);
  // A seed changes nothing of a balanced step: the batch makes all of it.
  CHECK(json["axes"][0]["key"] == "step.batch_per_rank");
  CHECK(json["axes"][0]["alone"].get<double>() == doctest::Approx(1));
  CHECK(json["axes"][0]["with_all"].get<double>() == doctest::Approx(1));
  CHECK(json["axes"][0]["means"][0].get<double>() < json["axes"][0]["means"][2].get<double>());
  CHECK(json["axes"][1]["with_all"] == 0);
  const std::string text = printed(tools::sweep_sensitivity_command(), {{"SCENARIO", {store}}});
  CHECK(text.starts_with("step_time_us.mean of s: all 6 points; mean "));
  CHECK(text.find("\n  step.batch_per_rank  8 .. 32        1.000        1.000 ") !=
        std::string::npos);

  // Of two points one does not fit: its time is what it would be, which is said.
  const std::string unfit = (folder.path() / "unfit.db").string();
  sweep(unfit, {{"vary", {"step.batch_per_rank=8,100000"}}});
  CHECK(
      printed(tools::sweep_sensitivity_command(), {{"SCENARIO", {unfit}}})
          .starts_with("step_time_us.mean of unfit: all 2 points, 1 that do not fit as they would "
                       "be; mean "));
  CHECK(json_of({{"SCENARIO", {unfit}}})["infeasible"] == 1);

  CHECK(message({{"SCENARIO", {store}}, {"measure", {"no.such"}}}) ==
        store +
            ": 6 of the 6 points of its grid have no no.such: parts of a variance are of a whole "
            "grid; sweep sensitivity SCENARIO --over plays points of its own");
  CHECK(message({{"SCENARIO", {store}}, {"over", {"seed=1..2"}}}) ==
        "--over: " + store + " has the points that were played: leave it out, or name a scenario");
  // What a condition left out is lacking.
  const std::string part = (folder.path() / "part.db").string();
  sweep(part, {{"vary", {"step.batch_per_rank=8,16,32", "seed=1,2"}},
               {"where", {"step.batch_per_rank + seed != 9"}}});
  CHECK(message({{"SCENARIO", {part}}}) ==
        part +
            ": 1 of the 6 points of its grid have no step_time_us.mean: parts of a variance are "
            "of a whole grid; sweep sensitivity SCENARIO --over plays points of its own");
}
