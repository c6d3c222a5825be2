#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tools/moesim/command.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/study/store.h"

namespace moesim::tools {
Command run_command();
Command compare_command();
}  // namespace moesim::tools

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::printed;
using moesim::tests::thrown;
using moesim::tests::Values;
using nlohmann::ordered_json;

namespace {

const std::string kMixtral = "mixtral-8x7b-decode-h100";

std::string wrong(const Values& values) {
  return thrown<sim::ConfigError>([&] { printed(compare_command(), values); });
}

}  // namespace

TEST_CASE("a scenario is compared with itself as --set changes it, and both views sum") {
  const auto json = ordered_json::parse(
      printed(compare_command(), {{"INPUT", {kMixtral}},
                                  {"set", {"network=bound", "step.context=4096", "step.count=1"}},
                                  {"why", {"true"}},
                                  {"format", {"json"}}}))["compare"];
  CHECK(json["metric"] == "step_time_us");
  CHECK(json["a_name"] == kMixtral);
  CHECK(json["b_name"] == kMixtral + " network=bound step.context=4096 step.count=1");
  const auto ps = [](const ordered_json& us) { return std::llround(us.get<double>() * 1e6); };
  const long long difference = ps(json["b"]) - ps(json["a"]);
  CHECK(ps(json["difference_us"]) == difference);
  long long where = 0, why = 0;
  for (const auto& share : json["where"]) where += ps(share["us"]);
  for (const auto& share : json["why"]) why += ps(share["us"]);
  CHECK(where == difference);
  CHECK(why == difference);
  CHECK(json["why"][0]["part"] == "load");
}

TEST_CASE("reports, scenarios and points of a study are compared, each with the first") {
  const tests::TemporaryFolder folder;
  const std::string store = (folder.path() / "s.db").string();
  printed(sweep_command(), {{"FILE", {kMixtral}},
                            {"set", {"network=bound", "step.count=1"}},
                            {"vary", {"step.batch_per_rank=16,32"}},
                            {"output", {store}}});
  const auto points = ordered_json::parse(
      printed(sweep_export_command(), {{"STORE", {store}}, {"format", {"json"}}}))["points"];
  const std::string report = (folder.path() / "r.json").string();
  std::ofstream(report) << printed(
      run_command(),
      {{"SCENARIO", {kMixtral}}, {"set", {"network=bound", "step.count=1"}}, {"format", {"json"}}});
  const std::string small = store + ":" + points[0]["id"].get<std::string>().substr(0, 12);
  const std::string large = store + ":" + points[1]["id"].get<std::string>();
  const auto json = ordered_json::parse(
      printed(compare_command(), {{"INPUT", {small, large, report}}, {"format", {"json"}}}));
  REQUIRE(json["comparisons"].size() == 2);
  // The point of 32 sequences is the scenario's own, so both differ alike from the other.
  CHECK(json["comparisons"][0]["difference_us"] == json["comparisons"][1]["difference_us"]);
  CHECK(json["compare"] == json["comparisons"][0]);
  CHECK(json["compare"]["difference_us"] > 0);
  CHECK(json["compare"]["keys"] ==
        ordered_json::parse(R"([{"key": "step.batch_per_rank", "a": "16", "b": "32"}])"));
  const std::string same = printed(compare_command(), {{"INPUT", {large, report}}});
  CHECK(same.starts_with("A and B take the same time: a step of "));

  CHECK(wrong({{"INPUT", {store + ":zz", report}}}) ==
        store + ":zz: no point of " + store + " has such an id (moesim sweep show " + store + ")");
  CHECK(wrong({{"INPUT", {small, report}}, {"set", {"seed=2"}}}) ==
        "--set: changes scenarios, and all but the first are reports");
  CHECK(wrong({{"INPUT", {kMixtral, report}}, {"why", {"true"}}}) ==
        "--why: plays mixtures of two scenarios, and " + report + " is a report");
}

TEST_CASE("why two points of a study differ is told from what the study played them from") {
  const tests::TemporaryFolder folder;
  const std::string store = (folder.path() / "s.db").string();
  const auto scenario = folder.path() / "mine.yaml";
  std::ofstream(scenario)
      << "name: mine\nmodel: mixtral-8x7b\ncluster: h100-1x8\nparallelism: {dp: "
         "8, ep: 8}\nrouting: {law: uniform}\nnetwork: bound\n"
         "step: {phase: decode, batch_per_rank: 8, context: 2048}\n";
  printed(sweep_command(), {{"FILE", {scenario.string()}},
                            {"set", {"seed=3"}},
                            {"zip", {"step.batch_per_rank=8,16,cluster=h100-1x8,h200-1x8"}},
                            {"output", {store}}});
  const auto points = ordered_json::parse(
      printed(sweep_export_command(), {{"STORE", {store}}, {"format", {"json"}}}))["points"];
  const std::string a = store + ":" + points[0]["id"].get<std::string>();
  const std::string b = store + ":" + points[1]["id"].get<std::string>();
  const Values ask{{"INPUT", {a, b}}, {"why", {"true"}}, {"format", {"json"}}};
  const auto json = ordered_json::parse(printed(compare_command(), ask))["compare"];
  const auto ps = [](const ordered_json& us) { return std::llround(us.get<double>() * 1e6); };
  long long why = 0;
  std::vector<std::string> parts;
  for (const auto& share : json["why"]) {
    why += ps(share["us"]);
    parts.push_back(share["part"]);
  }
  CHECK(why == ps(json["difference_us"]));
  CAPTURE(json["why"].dump());
  std::ranges::sort(parts);
  CHECK(parts == std::vector<std::string>{"device", "load"});  // wired alike
  // Another scenario under that name is not what was played.
  std::ofstream(scenario, std::ios::app) << "precision: {weights: fp8}\n";
  const std::string version = Store::open(store).version();
  CHECK(wrong(ask) ==
        "--why: " + a + ": " + scenario.string() +
            " with what the point sets is another run now: its files have changed, or "
            "it was played by another version (this is " +
            version + ", that was " + version + "); sweep it anew");
}

TEST_CASE("a comparison for people says by how much, why and where, and what the rest is") {
  const std::string text =
      printed(compare_command(), {{"INPUT", {kMixtral}},
                                  {"set", {"network=bound", "step.batch_per_rank=64"}},
                                  {"why", {"true"}}});
  CHECK(text.starts_with("B is "));
  CHECK(text.find(" % slower than A: a step of ") != std::string::npos);
  CHECK(text.find("\n  why\n    ") != std::string::npos);
  CHECK(text.find("load            step.batch_per_rank: 32 -> 64\n") != std::string::npos);
  CHECK(text.find("\n  where\n    ") != std::string::npos);
  CHECK(text.find("everything else\n") != std::string::npos);
  CHECK(text.find("attention       memory") != std::string::npos);
  CHECK(text.find("    step.batch_per_rank: 32 -> 64\n") != std::string::npos);
}

TEST_CASE("one side alone is refused") {
  CHECK(wrong({{"INPUT", {kMixtral}}}) ==
        "compare: " + kMixtral +
            " with what? Say another, or --set KEY=VALUE, which makes another of it");
}
