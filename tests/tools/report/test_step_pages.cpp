#include <doctest/doctest.h>
#include <fmt/format.h>

#include "sim/error.h"
#include "tests/tools/report/page_checks.h"

using namespace moesim;
using namespace moesim::tools;
using namespace moesim::tests;
using nlohmann::ordered_json;

namespace {

const Values kRun{{"SCENARIO", {"mixtral-8x7b-decode-h100"}},
                  {"set", {"network=bound", "step.count=1"}},
                  {"format", {"json"}}};

}  // namespace

TEST_CASE("a run's page answers in a sentence, and its data are those of the JSON") {
  const tests::TemporaryFolder folder;
  Values values = kRun;
  values["html"] = {(folder.path() / "a.html").string()};
  const auto json = ordered_json::parse(printed(run_command(), values));
  const std::string html = contents(folder.path() / "a.html");
  const ordered_json page = tests::page_data(html);
  CHECK(page["kind"] == "run");
  CHECK(page["report"] == json);
  CHECK(page["answer"].get<std::string>().starts_with("A step takes 12."));
  CHECK(page["answer"].get<std::string>().find(
            " The largest part is experts: memory bandwidth, 4") != std::string::npos);
  CHECK(titles(page) == std::vector<std::string>{"Time", "Load", "Network", "Memory", "Energy",
                                                 "Timeline", "Trust", "Made from"});
  // The energy of a token, as the JSON has it.
  const ordered_json& energy = page["sections"][4]["figures"][0]["table"]["rows"];
  CHECK(energy[0][1] == fmt::format("{:.0f} W", json["energy"]["gpu_w"].get<double>()));
  CHECK(energy[1][0] == "cards, per output token");
  CHECK(energy[1][1] == fmt::format("{:.3g} J", json["energy"]["gpu_j_per_token"].get<double>()));
  check_figures(page);
  values["html"] = {(folder.path() / "b.html").string()};
  printed(run_command(), values);
  CHECK(contents(folder.path() / "b.html") == html);

  // What bounds the step adds up to it, on the page as in the report.
  double sum = 0;
  for (const auto& series : page["sections"][0]["figures"][0]["chart"]["series"]) {
    for (const double value : series["values"]) sum += value;
  }
  CHECK(sum == doctest::Approx(json["step_time_us"]["mean"].get<double>() / 1000).epsilon(1e-3));
}

TEST_CASE("a saved report makes the page of its kind") {
  const tests::TemporaryFolder folder;
  const auto page_of_text = [&](const std::string& text) {
    const auto file = folder.path() / "r.json", html = folder.path() / "r.html";
    std::ofstream(file) << text;
    printed(report_command(), {{"FILE", {file.string()}}, {"output", {html.string()}}});
    return tests::page_data(contents(html));
  };
  const std::string trace = "configs/traces/mixtral-like.h5";
  for (const auto& [kind, text] :
       {std::pair<std::string, std::string>{"run", printed(run_command(), kRun)},
        {"exchange", printed(exchange_command(), {{"CLUSTER", {"h100-1x8"}},
                                                  {"ranks", {"8"}},
                                                  {"bytes", {"1MiB"}},
                                                  {"format", {"json"}}})},
        {"placement", printed(placement_command(), {{"TRACE", {trace}},
                                                    {"MODEL", {"mixtral-8x7b"}},
                                                    {"CLUSTER", {"h100-1x8"}},
                                                    {"set", {"network=bound"}},
                                                    {"format", {"json"}}})},
        {"routing", printed(trace_info_command(), {{"TRACE", {trace}}, {"format", {"json"}}})}}) {
    const ordered_json page = page_of_text(text);
    CAPTURE(page["kind"].get<std::string>());
    CHECK(page["kind"] == kind);
    CHECK(page["report"] == ordered_json::parse(text));
    check_figures(page);
  }
}

TEST_CASE("an exchange's page says how long it takes, and what it is priced by") {
  const Page page = exchange_page(ordered_json::parse(R"({
    "cluster": "8 H100", "ranks": 8, "algorithm": "nccl", "completion_us": 1500.0,
    "lower_bound_us": 750.0, "interval": {"completion_us": {"p10": 1400.0, "p90": 1600.0}},
    "extrapolated": "larger than any", "algbw_GBps": 12.3456, "busbw_GBps": 10.0,
    "flows": 56, "events": 1234, "links": []})"));
  CHECK(page.answer ==
        "nccl of 8 ranks takes 1.5 ms (80 % interval 1.4 ms to 1.6 ms): 12.35 GB/s of the "
        "algorithm, 10.00 GB/s of the bus.");
  CHECK(page.warnings == std::vector<std::string>{"Extrapolated: larger than any"});
  CHECK(page.sections[0].figures[0].sentence ==
        "The busiest port alone would take 50.0 % of the time.");
}

TEST_CASE("a page of placements names the one with the shortest step") {
  const auto placement = [](const char* name, int redundant, double step) {
    return ordered_json{{"name", name},
                        {"redundant", redundant},
                        {"rank_max_over_mean", 1.2},
                        {"worst_rank_max_over_mean", 1.5},
                        {"ranks_per_token", 4.0},
                        {"nodes_per_token", 2.0},
                        {"nvlink_bytes", 1e9},
                        {"network_bytes", 2e9},
                        {"replica_bytes", redundant * 1e8},
                        {"step_time_us", step},
                        {"rebalance", ordered_json::object()}};
  };
  ordered_json report{{"model", "M"},
                      {"cluster", "C"},
                      {"ranks", 8},
                      {"tokens_per_step", 1024},
                      {"routing", "trace t"},
                      {"notes", {"take care"}},
                      {"placements", {placement("linear", 0, 2000), placement("eplb", 32, 1500)}}};
  const Page page = placement_page(report);
  // 1,500 of 2,000 us: a quarter less.
  CHECK(page.answer ==
        "eplb +32 gives the shortest step, 1.5 ms: 25.0 % less than linear, the longest.");
  CHECK(page.warnings == std::vector<std::string>{"take care"});
  CHECK(page.sections.size() == 3);  // none of them ages
  CHECK(page.sections[2].title == "Replicas");
  report["placements"].erase(1);  // and then none has replicas
  CHECK(placement_page(report).sections.size() == 2);
}

TEST_CASE("what does not fit is said before anything else") {
  auto json = ordered_json::parse(printed(run_command(), kRun));
  json["memory"]["fits"] = false;
  json["memory"]["advice"] = "needs 100 GB of 80 GB";
  CHECK(run_page(json).answer.starts_with(
      "It does not fit: needs 100 GB of 80 GB. What follows is what it would be. A step takes "));
}

TEST_CASE("what is no report is refused with what would be one") {
  const std::string all =
      "moesim capacity, moesim plan, moesim run, moesim sweep export, moesim compare, moesim "
      "exchange, moesim "
      "placement, moesim "
      "trace info";
  for (const ordered_json& wrong : {ordered_json{{"a", 1}}, ordered_json::array({1})}) {
    CHECK_THROWS_WITH_AS(
        page_of(wrong, "x.json"),
        ("x.json: no report: expected what one of these prints with --format json: " + all).c_str(),
        sim::InputError);
  }
  CHECK_THROWS_WITH_AS(
      page_of({{"phases_us", ordered_json::object()}}, "x.json"),
      "x.json: not a whole report of moesim run: [json.exception.out_of_range.403] key 'title' not "
      "found",
      sim::InputError);
  std::ostringstream out, err;
  CHECK_THROWS_WITH_AS(
      report_command().run(Arguments{{{"FILE", {"s.yaml"}}, {"output", {"s.html"}}}}, {out, err}),
      "s.yaml: a scenario, not a report: moesim run s.yaml --html s.html runs it and writes its "
      "page",
      sim::ConfigError);
}

TEST_CASE("a page is a file of its own") {
  Values values = kRun;
  values["html"] = {"-"};
  CHECK_THROWS_WITH_AS(printed(run_command(), values),
                       "-: a page is a file of its own: say its name, such as report.html",
                       sim::ConfigError);
}
