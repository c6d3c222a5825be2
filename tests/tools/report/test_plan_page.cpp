#include <doctest/doctest.h>
#include <fmt/format.h>

#include "tests/tools/report/page_checks.h"

using namespace moesim;
using namespace moesim::tools;
using namespace moesim::tests;
using nlohmann::ordered_json;

TEST_CASE("a plan's page says how many, how sure, what else there is and why not the others") {
  const tests::TemporaryFolder folder;
  const std::string html = (folder.path() / "p.html").string();
  const auto json = ordered_json::parse(printed(plan_command(), {{"model", {"mixtral-8x7b"}},
                                                                 {"gpu", {"h100=2.40"}},
                                                                 {"context", {"2048"}},
                                                                 {"rate", {"9000"}},
                                                                 {"tpot", {"15ms"}},
                                                                 {"most", {"8"}},
                                                                 {"html", {html}},
                                                                 {"format", {"json"}}}));
  const ordered_json page = tests::page_data(contents(html));
  check_figures(page);
  CHECK(page["kind"] == "plan");
  CHECK(page["report"] == json);
  CHECK(page["what"] == "9000 tokens/s within TPOT 15 ms");
  CHECK(titles(page) == std::vector<std::string>{"Answers", "Trade-off", "Search"});
  const auto& chosen = json["plan"]["answers"][0];
  const std::string answer = page["answer"];
  CHECK(answer.starts_with(fmt::format("{} GPUs on 1 node: {} engine", chosen["gpus"].get<int>(),
                                       chosen["engines"].get<int>())));
  CHECK(answer.ends_with(fmt::format(" and meet the targets with probability {:.2f}.",
                                     chosen["probability"].get<double>())));
  const auto& carried = page["sections"][0]["figures"][0]["chart"];
  CHECK(carried["limit"]["value"].get<double>() == 9000);
  CHECK(carried["series"][1]["values"][0].get<double>() ==
        doctest::Approx(chosen["capacity_per_s"]["p50"].get<double>()).epsilon(1e-3));
  // What it costs is told, and of steps no time to a first token.
  std::string told;
  for (const auto& row : page["sections"][0]["figures"][1]["table"]["rows"])
    told += row[0].get<std::string>() + ", ";
  CHECK(told == "engines, GPUs, cost, a million, power, a step, too few run, ");
  CHECK(page["sections"][1]["figures"][0]["table"]["rows"].size() == json["plan"]["pareto"].size());
  CHECK(page["sections"][2]["figures"][1]["table"]["rows"].size() ==
        json["plan"]["rejected"].size());
}

TEST_CASE("a plan without an answer says what comes nearest") {
  const auto answer = [](const ordered_json& nearest) {
    ordered_json plan{{"title", "a plan"},
                      {"unit", "requests/s"},
                      {"rate_per_s", 24},
                      {"targets", "TTFT 2 s"},
                      {"answers", ordered_json::array()},
                      {"pareto", ordered_json::array()},
                      {"stages", ordered_json::array()},
                      {"why_not", ordered_json::array()},
                      {"search", {{"largest_error", 0.1}, {"margin_used", 0.12}}}};
    if (!nearest.is_null()) plan["nearest"] = nearest;
    return plan_page({{"plan", plan}}).answer;
  };
  const std::string none = "Nothing within the limits meets the targets with that confidence.";
  CHECK(answer(nullptr) == none);
  ordered_json nearest{{"gpus", 8}, {"device", "H200 SXM"}, {"engine", "tp8"}};
  CHECK(answer(nearest) == none + " Nearest is 8 H200 SXM (tp8): no rate attains the targets.");
  ordered_json late = nearest;
  late["least_token_ms"] = 12.5;
  CHECK(answer(late) == none + " Nearest is 8 H200 SXM (tp8): alone, one takes 12.5 ms.");
  late = nearest;
  late["least_first_ms"] = 2500;
  CHECK(answer(late) == none + " Nearest is 8 H200 SXM (tp8): alone, a prompt takes 2.5 s.");
  nearest["carries_per_s"] = 12.5;
  nearest["would_do"] = {{"gpus", 16}, {"engines", 2}};
  CHECK(answer(nearest) == none +
                               " Nearest are engines of 8 H200 SXM (tp8): 12.5 requests/s "
                               "within the limits; 16 GPUs would do.");
}
