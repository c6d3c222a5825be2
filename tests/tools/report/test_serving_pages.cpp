#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/tools/report/page_checks.h"

using namespace moesim;
using namespace moesim::tools;
using namespace moesim::tests;
using nlohmann::ordered_json;

TEST_CASE("a service's page shows its requests' times and what it carries") {
  const tests::TemporaryFolder folder;
  const std::string html = (folder.path() / "s.html").string();
  const auto json = ordered_json::parse(printed(
      run_command(), {{"SCENARIO", {"mixtral-8x7b-serving-h100"}},
                      {"set", {"serving.requests.count=200", "serving.requests.warm_up=20"}},
                      {"html", {html}},
                      {"format", {"json"}}}));
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(page["kind"] == "serving");
  CHECK(page["report"] == json);
  CHECK(titles(page) == std::vector<std::string>{"Requests", "Over time", "Engine", "Memory",
                                                 "Energy", "Trust", "Made from"});
  CHECK(page["answer"].get<std::string>().find(" requests were answered, ") != std::string::npos);
  // The parts of the first token's time add up to it.
  double parts = 0;
  for (const auto& series : page["sections"][0]["figures"][1]["chart"]["series"])
    parts += series["values"][0].get<double>();
  CHECK(parts == doctest::Approx(json["serving"]["mean_ttft_ms"].get<double>())
                     .epsilon(1e-3));  // of six, to a hundredth
  // Shares of the tail of the gaps: one that is below 0 has no bar.
  const ordered_json& tail = page["sections"][2]["figures"].back();
  CHECK(tail["title"] == "Slow gaps between tokens");
  CHECK(tail["table"]["rows"].size() == 3);
  CHECK(tail["chart"]["series"][0]["values"][0].get<double>() ==
        doctest::Approx(100 * json["serving"]["itl_tail"]["composition"].get<double>())
            .epsilon(1e-3));
  // A distribution ends at all requests.
  CHECK(page["sections"][0]["figures"][2]["chart"]["series"][0]["points"].back()[1] == 100);
}

TEST_CASE("a service's page draws how many replicas were in use") {
  const tests::TemporaryFolder folder;
  const std::string html = (folder.path() / "s.html").string();
  const auto json = ordered_json::parse(printed(
      run_command(),
      {{"SCENARIO", {"mixtral-8x7b-serving-h100"}},
       {"set",
        {"serving.requests.count=200", "serving.requests.warm_up=20", "serving.replicas=1",
         "serving.autoscale={max: 4, metric: requests, target: 8, every: 2 s, start: 1 s}"}},
       {"html", {html}},
       {"format", {"json"}}}));
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(titles(page)[2] == "Engine");
  const ordered_json& figure = page["sections"][2]["figures"][0];
  CHECK(figure["title"] == "replicas in use");
  const ordered_json& changes = json["serving"]["autoscale"][0]["changes"];
  CHECK(figure["table"]["rows"].size() == changes.size());
  // One from the start until the first look; upright where it changes.
  const ordered_json& line = figure["chart"]["series"][0]["points"];
  CHECK(line[0][0] == 0);
  CHECK(line[0][1] == 1);
  CHECK(line[1][0] == 2);
  CHECK(line[1][1] == 1);
  CHECK(line[2][0] == 2);
  CHECK(line[2][1] == changes[1]["in_use"]);
}

TEST_CASE("a capacity's page says what is carried, and how requests fare there") {
  const tests::TemporaryFolder folder;
  const std::string html = (folder.path() / "c.html").string();
  const auto json = ordered_json::parse(printed(
      capacity_command(), {{"SCENARIO", {"mixtral-8x7b-serving-h100"}},
                           {"set", {"serving.requests.count=200", "serving.requests.warm_up=20"}},
                           {"html", {html}},
                           {"format", {"json"}}}));
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(page["kind"] == "capacity");
  CHECK(page["report"] == json);
  CHECK(titles(page) == std::vector<std::string>{"Capacity", "Requests", "Engine"});
  const auto& bars = page["sections"][0]["figures"][0]["chart"]["series"][0]["values"];
  CHECK(bars[1].get<double>() ==
        doctest::Approx(json["capacity"]["rate_per_s"]["p50"].get<double>()).epsilon(1e-3));
  const std::string answer = page["answer"];
  CHECK(answer.starts_with(fmt::format("It carries {:.4g} requests/s (",
                                       json["capacity"]["rate_per_s"]["p50"].get<double>())));
  CHECK(answer.find(" for each of its 8 GPUs.") != std::string::npos);
}

TEST_CASE("a capacity that was broken off says what is known") {
  const auto page =
      capacity_page({{"scenario", {{"name", "a service"}}},
                     {"capacity",
                      {{"rate_per_s", {{"p10", nullptr}, {"p50", nullptr}, {"p90", nullptr}}},
                       {"what", "4 engines"},
                       {"target", "TTFT 2 s"},
                       {"partial", true},
                       {"attained_at", 12.5},
                       {"missed_at", 25.0}}}});
  CHECK(page.answer ==
        "It carries at least 12.5 requests/s, less than 25 requests/s, within TTFT 2 s.");
  CHECK(page.warnings.size() == 1);
  CHECK(page.sections.empty());
}
