#include <doctest/doctest.h>

#include "tests/tools/report/page_checks.h"

using namespace moesim;
using namespace moesim::tools;
using namespace moesim::tests;
using nlohmann::ordered_json;

TEST_CASE("a comparison's page has its waterfalls end on the difference") {
  const auto json = ordered_json::parse(printed(
      compare_command(), {{"INPUT", {"mixtral-8x7b-decode-h100"}},
                          {"set", {"network=bound", "step.context=4096", "cluster=h200:1x8"}},
                          {"why", {"true"}},
                          {"format", {"json"}}}));
  const ordered_json page = to_json(page_of(json, "c.json"), json);
  check_figures(page);
  CHECK(page["kind"] == "compare");
  CHECK(titles(page) == std::vector<std::string>{"Difference", "Both sides"});
  const double difference = json["compare"]["difference_us"].get<double>() / 1000;  // ms
  int waterfalls = 0;
  for (const auto& figure : page["sections"][0]["figures"]) {
    if (!figure["chart"].contains("running") || !figure["chart"]["running"].get<bool>()) continue;
    ++waterfalls;
    const auto& values = figure["chart"]["series"][0]["values"];
    double sum = 0;
    for (std::size_t i = 0; i + 1 < values.size(); ++i) sum += values[i].get<double>();
    CHECK(sum == doctest::Approx(difference).epsilon(5e-3));  // of four digits each
    CHECK(values.back().get<double>() == doctest::Approx(difference).epsilon(5e-4));
    CHECK(figure["chart"]["categories"].back() == "B less A");
  }
  CHECK(waterfalls == 2);
  CHECK(page["answer"].get<std::string>().starts_with("B is "));
}

TEST_CASE("a study's page says which point is best, and draws what trades against what") {
  const tests::TemporaryFolder folder;
  const std::string store = (folder.path() / "s.db").string();
  printed(sweep_command(), {{"FILE", {"mixtral-8x7b-decode-h100"}},
                            {"set", {"network=bound", "step.count=1"}},
                            {"vary", {"step.batch_per_rank=1..1024*4", "parallelism.ep=8,3"}},
                            {"measure", {"step_time_us.mean", "throughput.tokens_per_s_per_gpu"}},
                            {"output", {store}}});
  const std::string html = (folder.path() / "s.html").string();
  printed(report_command(), {{"FILE", {store}}, {"output", {html}}});
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(page["kind"] == "sweep");
  CHECK(titles(page) ==
        std::vector<std::string>{"Measured", "Trade-off", "Settings and results", "Points"});
  // 1, 4, 16, 64, 256 fit, 1,024 do not; ep = 3 divides nothing.
  CHECK(page["answer"].get<std::string>().starts_with(
      "12 points: 5 done, 1 infeasible, 6 invalid. The least step_time_us.mean is "));
  CHECK(page["answer"].get<std::string>().find(
            ", at step.batch_per_rank 1, parallelism.ep 8. The most "
            "throughput.tokens_per_s_per_gpu is ") != std::string::npos);
  const auto& lines = page["sections"][0]["figures"][0]["chart"];
  CHECK(lines["series"].size() == 1);  // of ep 8
  CHECK(lines["series"][0]["points"].size() == 5);
  // More sequences take longer and give more: none beats another in both.
  CHECK(page["sections"][1]["figures"][0]["chart"]["series"].size() == 1);
  // Six that ran, on four axes: 1 to 1,024 by fours lie evenly; one ep lies in the middle.
  const auto& through = page["sections"][2]["figures"][0]["chart"];
  CHECK(through["type"] == "parallel");
  CHECK(through["axes"].size() == 4);
  CHECK(through["axes"][0]["bottom"] == "1");
  CHECK(through["axes"][0]["top"] == "1024");
  REQUIRE(through["lines"].size() == 6);
  CHECK(through["lines"][0]["kind"] == 0);  // the shortest step
  CHECK(through["lines"][1]["kind"] == 1);
  CHECK(through["lines"][5]["kind"] == 2);  // does not fit
  CHECK(through["lines"][0]["at"][0] == 0.0);
  CHECK(through["lines"][2]["at"][0] == 0.4);
  CHECK(through["lines"][2]["at"][1] == 0.5);
  CHECK(through["lines"][5]["at"][0] == 1.0);
  CHECK(through["lines"][2]["texts"][0] == "16");
  CHECK(page["sections"][3]["figures"][1]["title"] == "Why not");
  const auto& reasons = page["sections"][3]["figures"][1]["table"]["rows"];
  REQUIRE(reasons.size() == 2);  // that does not fit; those of ep = 3
  CHECK(reasons[0][1] == "infeasible");
  CHECK(reasons[1][2] == "6");
  CHECK(reasons[1][3] == "1, 3, 5, 7, 9, 11");
}

TEST_CASE("a study's bytes are read in GB, and its measures come as they were asked for") {
  const auto point = [](int ord, double bytes, double us) {
    return ordered_json{{"ord", ord},
                        {"id", "i"},
                        {"status", "done"},
                        {"reason", ""},
                        {"params", {{"batch", ord}}},
                        {"metrics", {{"memory.peak_bytes", bytes}, {"step_time_us.mean", us}}}};
  };
  const Page page =
      sweep_page({{"study", {{"measure", {"step_time_us.mean", "memory.peak_bytes"}}}},
                  {"points", {point(1, 15.34e9, 20'000.4), point(2, 16e9, 90)}}});
  CHECK(page.answer ==
        "2 points: 2 done. The least step_time_us.mean is 90 us, at batch 2. The least "
        "memory.peak_bytes is 15.34 GB, at batch 1.");
  const auto& lines = std::get<Lines>(page.sections[0].figures[1].chart);
  CHECK(lines.y.name == "memory.peak_bytes, GB");
  CHECK(lines.series[0].points[0].y == doctest::Approx(15.34));
  CHECK(lines.series[0].points[0].text == "batch 1: 15.34 GB");
  CHECK(std::get<Lines>(page.sections[0].figures[0].chart).series[0].points[0].text ==
        "batch 1: 20 ms");
  // Five digits before the point are not written as a power of ten.
  const auto& rows = page.sections.back().figures[0].table->rows;
  CHECK(std::ranges::find(rows[0], "20000") != rows[0].end());
}
