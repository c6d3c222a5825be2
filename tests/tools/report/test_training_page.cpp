#include <doctest/doctest.h>

#include "tests/tools/report/page_checks.h"

using namespace moesim;
using namespace moesim::tools;
using namespace moesim::tests;
using nlohmann::ordered_json;

TEST_CASE("a training page answers in a sentence, and its parts add up to each rank's step") {
  const tests::TemporaryFolder folder;
  const std::string html = (folder.path() / "t.html").string();
  const auto json = ordered_json::parse(
      printed(run_command(), {{"SCENARIO", {"mixtral-8x7b-training-interleaved-h100"}},
                              {"set",
                               {"training.draws=1",
                                "training.run={tokens: 1e12, checkpoint: {every: optimal, blocks: "
                                "30 s}, failures: {gpu_mtbf: 50000 h, detect: 30 s, restart: 600 "
                                "s}}"}},
                              {"html", {html}},
                              {"format", {"json"}}}));
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(page["kind"] == "training");
  CHECK(page["report"] == json);
  CHECK(titles(page) == std::vector<std::string>{"Time", "Pipeline", "Memory", "Run", "Energy",
                                                 "Trust", "Made from"});
  const ordered_json& training = json["training"];
  const auto& parts = page["sections"][0]["figures"][0]["chart"];
  REQUIRE(parts["categories"].size() == training["ranks"].size());
  for (std::size_t r = 0; r < parts["categories"].size(); ++r) {
    double sum = 0;  // in seconds or milliseconds
    for (const auto& series : parts["series"]) sum += series["values"][r].get<double>();
    const double step = training["step_time_us"];
    CHECK(sum == doctest::Approx(step >= 1e6 ? step / 1e6 : step / 1e3).epsilon(5e-3));
  }
  // Every pass is a slice, and none ends after the step.
  const auto& schedule = page["sections"][1]["figures"][2];
  CHECK(schedule["title"] == "Schedule");
  CHECK(schedule["chart"]["tracks"].size() == training["ranks"].size());
  CHECK(schedule["chart"]["slices"].size() > 0);
  // Passes only: what the middle rank does within them is the timeline's.
  for (const auto& row : schedule["table"]["rows"])
    CHECK(row[1].get<std::string>().find(" stage ") != std::string::npos);
  // Memory's parts add up to the peak, against the card.
  const auto& memory = page["sections"][2]["figures"][0]["chart"];
  for (std::size_t r = 0; r < memory["categories"].size(); ++r) {
    double sum = 0;
    for (const auto& series : memory["series"]) sum += series["values"][r].get<double>();
    const double peak = training["memory"][r]["peak_bytes"];
    CHECK(sum == doctest::Approx(peak * 1e-9).epsilon(2e-3));
  }
  CHECK(memory["limit"]["text"].get<std::string>().starts_with("the card: "));
  CHECK(page["sections"][2]["figures"][1]["title"] == "Kept over time");
  // Young's interval is the best of those around it: the middle one of 25.
  const auto& runs = page["sections"][3]["figures"][1]["chart"]["series"];
  REQUIRE(runs[0]["points"].size() == 25);
  for (const auto& point : runs[0]["points"]) CHECK(point[1] <= runs[0]["points"][12][1]);
  CHECK(runs[1]["points"][0] == runs[0]["points"][12]);
  const std::string answer = page["answer"];
  CHECK(answer.starts_with("A step takes "));
  CHECK(answer.find(" of the bf16 peak (MFU). The pipeline stands still for ") !=
        std::string::npos);
  CHECK(answer.find(" Of a run ") != std::string::npos);
}
