// What a plan's JSON names, which codes it refuses with, and what it says would do.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"
#include "tests/tools/study/plan/small_plans.h"

using namespace moesim;
using namespace moesim::tests;
using nlohmann::json;

namespace moesim::tools {
Command plan_command();
}  // namespace moesim::tools

namespace {

std::string with(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

// What the program prints of a question, as text.
Called asked(const std::string& question, Values more = {}) {
  const TemporaryFolder folder;
  more["FILE"] = {folder.file("plan.yaml", question).string()};
  return call(tools::plan_command(), more);
}

json plan_json(const std::string& question, Values more = {}) {
  more["format"] = {"json"};
  return json::parse(asked(question, std::move(more)).out)["plan"];
}

std::map<std::string, std::size_t> codes(const tools::Plan& p) {
  std::map<std::string, std::size_t> all;
  for (const tools::Candidate& c : p.candidates)
    if (c.rejected) ++all[c.rejected->code];
  return all;
}

}  // namespace

TEST_CASE("a plan's JSON names what its page does, and is the same each time, in any folder") {
  const std::string text = asked(kDecode, {{"format", {"json"}}}).out;
  CHECK(asked(kDecode, {{"format", {"json"}}}).out == text);
  const json p = json::parse(text)["plan"];
  const json& chosen = p["chosen"];
  CHECK(chosen == p["answers"][0]);
  CHECK(chosen["roles"][0] == "chosen");
  CHECK(chosen["id"].get<std::string>().size() == 32);
  CHECK(chosen["engine_id"] != chosen["id"]);
  for (const char* key : {"gpus", "nodes", "layout", "probability", "saturation", "metrics",
                          "capacity_per_s", "scenario", "power"})
    CHECK(chosen.contains(key));
  REQUIRE(chosen["pools"].size() == 1);
  CHECK(chosen["pools"][0]["name"] == "together");
  CHECK(chosen["pools"][0]["gpus"] == chosen["gpus"]);
  CHECK(chosen["pools"][0]["layout"] == chosen["layout"]);
  // Of one node nothing is left without it.
  CHECK(chosen["spare"] == json{{"lost", "node"}, {"capacity_per_s", 0.0}, {"meets", false}});
  const json& cost = chosen["cost"];
  CHECK(cost["usd_per_h"].get<double>() == 2.0 * chosen["gpus"].get<double>());
  // 12,000 tokens a second are 43.2 million an hour, of one kind.
  CHECK(cost["usd_per_million_output_tokens"].get<double>() ==
        doctest::Approx(cost["usd_per_h"].get<double>() / 43.2));
  CHECK(cost["usd_per_million_total_tokens"] == cost["usd_per_million_output_tokens"]);
  CHECK_FALSE(cost.contains("usd_per_million_input_tokens"));
  CHECK(chosen["power"]["origin"] == "fitted");  // on an H100
  bool on_the_front = false;
  for (const json& point : p["pareto"]) {
    // A token is what is counted of steps.
    CHECK(point["tokens_per_s_per_gpu"] == point["capacity_per_s_per_gpu"]);
    CHECK(point["tokens_per_s_per_user"].get<double>() >= 1 / 0.015);
    on_the_front = on_the_front || point["id"] == chosen["engine_id"];
    if (point["id"] == chosen["engine_id"]) CHECK(point["engine"] == chosen["engine"]);
  }
  CHECK(on_the_front);
  for (const json& stage : p["stages"]) CHECK(stage["wall_s"].is_null());
  // Another currency is named as it is; what stages took is told where that is asked for.
  const json other = plan_json(with(kDecode, "USD", "EUR"), {{"time", {"true"}}});
  CHECK_FALSE(other["chosen"]["cost"].contains("usd_per_h"));
  CHECK(other["chosen"]["cost"]["per_h"] == cost["per_h"]);
  CHECK(other["chosen"]["id"] == chosen["id"]);
  double wall = 0;
  for (const json& stage : other["stages"]) wall += stage["wall_s"].get<double>();
  CHECK(wall > 0);
  // Another question has another id.
  const json more = plan_json(with(kDecode, "2048", "2049"));
  CHECK(more["chosen"]["id"] != chosen["id"]);
  CHECK(plan_json(with(kDecode, "12000", "900000"))["chosen"].is_null());
}

TEST_CASE("an answer to each question: power, throughput, a node that is lost") {
  const std::string question = with(kDecode, "h100-1x8", "h100-4x8");
  const tools::Plan staged = plan(with(question, "gpus: 8", "gpus: 16"));
  std::map<std::string, const tools::PlanAnswer*> by_role;
  for (const tools::PlanAnswer& a : staged.answers)
    for (const std::string& role : a.roles) by_role[role] = &a;
  REQUIRE(by_role.size() == 6 - 1);  // by cost the chosen one is the cheapest
  const auto& chosen = *by_role["chosen"];
  for (const auto& entry : by_role) {
    const auto& offer = entry.second->offer;
    CAPTURE(entry.first);
    CHECK(by_role["least_power"]->offer.power <= offer.power);
    CHECK(by_role["most_throughput"]->offer.capacity >= offer.capacity);
    CHECK(by_role["fewest"]->offer.gpus <= offer.gpus);
  }
  // Limits are filled: sixteen GPUs.
  CHECK(by_role["most_throughput"]->offer.gpus == 16);
  // One node lost, the load is carried still, which the chosen one on one node does not.
  CHECK(by_role["most_robust"]->without_spare >= 12000);
  CHECK(by_role["most_robust"]->nodes > 1);
  CHECK(chosen.without_spare < 12000);
  const std::string text = asked(with(question, "gpus: 8", "gpus: 16")).out;
  CAPTURE(text);
  CHECK(has(text, "most throughput"));
  CHECK(has(text, "most robust"));
  CHECK(text.ends_with(" measured: least power, most throughput, most robust\n"));
  // With a node spare the chosen one is that.
  const tools::Plan spare = plan(with(question, "gpus: 8", "gpus: 16"), "spare: {nodes: 1}\n");
  REQUIRE_FALSE(spare.answers.empty());
  CHECK(spare.answers.front().offer.gpus == by_role["most_robust"]->offer.gpus);
  CHECK_FALSE(spare.candidates.empty());
}

TEST_CASE("what would do hangs on no limit, does, and fewer does not") {
  const std::string question =
      "model: mixtral-8x7b\nload: {phase: decode, context: 2048, rate: 40000 /s}\n"
      "targets: {tpot: 15 ms}\ngpus: [h100-8x8]\nspace: {pp: [1]}\nrouting: {law: uniform}\n"
      "limits: {gpus: 8}\n";
  const json of_eight = plan_json(question)["nearest"];
  const json of_two = plan_json(with(question, "gpus: 8}", "gpus: 2}"))["nearest"];
  const std::int64_t gpus = of_eight["would_do"]["gpus"];
  CAPTURE(of_two.dump());
  CHECK(of_two["would_do"] == of_eight["would_do"]);
  CHECK(gpus > 8);
  CHECK(of_eight["would_do"]["engines"].get<std::int64_t>() *
            of_eight["would_do"]["gpus_per_engine"].get<std::int64_t>() ==
        gpus);
  const auto at_most = [&](std::int64_t most) {
    return asked(question, {{"most", {std::to_string(most)}}}).code;
  };
  CHECK(at_most(gpus) == sim::ExitCode::Ok);
  CHECK(at_most(gpus - 1) == sim::ExitCode::Infeasible);
  // What else would do within the limits does, too.
  REQUIRE_FALSE(of_eight["otherwise"].empty());
  for (const json& other : of_eight["otherwise"]) {
    CAPTURE(other.dump());
    CHECK(other["gpus"].get<std::int64_t>() <= 8);
    CHECK(asked(question,
                {{"set",
                  {other["key"].get<std::string>() + "=" + other["value"].get<std::string>()}}})
              .code == sim::ExitCode::Ok);
  }
  const Called told = asked(with(question, "gpus: 8}", "gpus: 2}"));
  CAPTURE(told.out);
  CHECK(has(told.out,
            " within the limits (2 GPUs)\n  would do  " + std::to_string(gpus) + " GPUs: "));
  CHECK(
      has(told.out, "\n            an engine larger than 2 GPUs: of that size none is among the "));
  CHECK(has(told.out, "\n  search    nothing was measured: all were refused by proof\n"));
}

TEST_CASE("where nothing fits within the limits, what does beyond them is told") {
  // Weights of 93 GB: no layout of one GPU holds them, two do with the experts shared out.
  const Called one = asked(with(kDecode, "gpus: 8}", "gpus: 1}"));
  CAPTURE(one.out);
  CHECK(one.code == sim::ExitCode::Infeasible);
  CHECK(has(one.out, "  nearest   1 engine of 1 H100 SXM (tp1): "));
  CHECK(has(one.out, " for a batch of one\n  would do  "));
}

TEST_CASE("codes: a spare that is not left, a node that is too small, engines that are the same") {
  // It is carried on the node's eight GPUs, of which none is left where the node is lost.
  const tools::Plan lost = plan(kDecode, "spare: {nodes: 1}\n");
  CHECK(codes(lost)["spare"] > 0);
  CHECK(codes(plan(kDecode))["spare"] == 0);
  const auto found = std::ranges::find_if(lost.candidates, [](const tools::Candidate& c) {
    return c.rejected && c.rejected->code == "spare";
  });
  REQUIRE(found != lost.candidates.end());
  CHECK(has(found->rejected->detail, " GPUs would do, but not with a node lost within the limits"));
  // tp 16 on nodes of 8: of engines of 16 GPUs.
  const tools::Plan wide =
      plan(with(with(with(kDecode, "pp: [1, 2]", "tp: [8, 16], pp: [1]"), "h100-1x8", "h100-2x8"),
                "gpus: 8}", "gpus: 16}"));
  CHECK(codes(wide)["node"] == 1);
  for (const tools::Candidate& c : wide.candidates) {
    if (!c.rejected || c.rejected->code != "node") continue;
    CHECK(c.rejected->detail == "tp 16 lies in more than one node of 8 GPUs");
  }
  // Without exchange two batches are one; a cache in bf16 is what the model has.
  const std::string twice = with(kDecode, "pp: [1, 2]", "pp: [1], two_batch: [false, true]");
  const auto of_two = codes(plan(twice));
  CHECK(of_two.at("duplicate") > 0);
  const auto of_cache = [&](const std::string& values) {
    return codes(plan(with(kDecode, "pp: [1, 2]", "pp: [1]"),
                      "vary: {precision.kv_cache: [" + values + "]}\n"));
  };
  CHECK(of_cache("bf16, fp8")["duplicate"] == 0);
  const tools::Plan same =
      plan(with(kDecode, "pp: [1, 2]", "pp: [1]"), "vary: {precision.kv_cache: [bf16, bf16]}\n");
  CHECK(codes(same)["duplicate"] * 2 == same.candidates.size());
}

TEST_CASE("prompts apart: input tokens carry the cost of what reads, output tokens of the rest") {
  const json p = plan_json(with(with(kService, "pp: [1]", "pp: [1], pools: [apart]"), "[h100-1x8]",
                                "[{cluster: h100-1x8, price: 2 USD/h}]"));
  const json& chosen = p["chosen"];
  REQUIRE_FALSE(chosen.is_null());
  REQUIRE(chosen["pools"].size() == 2);
  CHECK(chosen["pools"][0]["name"] == "prefill");
  CHECK(chosen["pools"][1]["name"] == "decode");
  const json& cost = chosen["cost"];
  // 30 requests a second of 300 and 60 tokens; 2 USD a GPU and hour.
  const double input = 30 * 300 * 3600 / 1e6, output = 30 * 60 * 3600 / 1e6;
  CHECK(cost["usd_per_million_input_tokens"].get<double>() * input ==
        doctest::Approx(2 * chosen["pools"][0]["gpus"].get<double>()));
  CHECK(cost["usd_per_million_generated_tokens"].get<double>() * output ==
        doctest::Approx(2 * chosen["pools"][1]["gpus"].get<double>()));
  CHECK(cost["usd_per_million_output_tokens"].get<double>() * output ==
        doctest::Approx(cost["usd_per_h"].get<double>()));
}

TEST_CASE("without a target the options are named, and the time of a whole request is one") {
  Values options{{"model", {"mixtral-8x7b"}}, {"gpu", {"h100-1x8"}}, {"rate", {"10"}},
                 {"input", {"500"}},          {"output", {"100"}},   {"most", {"8"}}};
  const auto message = [](Values values) {
    return thrown<sim::ConfigError>([&] { (void)call(tools::plan_command(), std::move(values)); });
  };
  CHECK(message(options) ==
        "plan: say within what times the load is to be carried: at least one of --ttft, --tpot and "
        "--e2el, such as --ttft 2s --tpot 80ms");
  Values steps = options;
  steps.erase("input");
  steps.erase("output");
  steps["context"] = {"2048"};
  CHECK(message(steps) ==
        "plan: say within what times the load is to be carried: --tpot, such as --tpot 80ms");
  options["e2el"] = {"p95:30s"};
  options["set"] = {"space={tp: [2], pp: [1]}"};
  const Called called = call(tools::plan_command(), options);
  CAPTURE(called.out);
  CHECK(called.code == sim::ExitCode::Ok);
  CHECK(has(called.out, "10 requests/s within p95 latency 30 s; "));
}

TEST_CASE("each example of a price is one that a plan reads") {
  const auto document = sim::io::YamlDocument::load("configs/prices.example.yaml");
  std::size_t rows = 0;
  for (const auto& row : document.root().at("prices").items()) {
    row.allow_only({"gpu", "price", "how", "date"});
    const std::string gpu = row.at("gpu").text(), price = row.at("price").text();
    CAPTURE(gpu);
    CHECK_FALSE(row.at("how").text().empty());
    CHECK(row.at("date").text().starts_with("2026-"));
    // A name that --gpu takes: a cluster of it ships.
    const auto clusters = tools::named_files("clusters");
    CHECK(std::ranges::any_of(clusters,
                              [&](const auto& one) { return one.first.starts_with(gpu + "-"); }));
    auto question = sim::io::YamlDocument::parse(kDecode, "plan.yaml");
    question.set("gpus", "[{cluster: h100-1x8, price: " + price + "}]");
    const tools::PlanSpec spec = tools::read_plan(question.root());
    CHECK(spec.currency == "USD");
    CHECK(spec.gpus.front().price >= 1.3);
    ++rows;
  }
  document.throw_errors();
  CHECK(rows == 14);
}
