#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/page_data.h"
#include "tests/support/temporary_folder.h"
#include "tools/moesim/command.h"
#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/report/page_kinds.h"

namespace moesim::tools {
Command run_command();
Command compare_command();
Command report_command();
Command capacity_command();
Command plan_command();
Command exchange_command();
Command placement_command();
Command trace_info_command();
}  // namespace moesim::tools

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::printed;
using moesim::tests::Values;
using nlohmann::ordered_json;

namespace {

std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

const Values kRun{{"SCENARIO", {"mixtral-8x7b-decode-h100"}},
                  {"set", {"network=bound", "step.count=1"}},
                  {"format", {"json"}}};

std::vector<std::string> titles(const ordered_json& page) {
  std::vector<std::string> all;
  for (const auto& section : page["sections"]) all.push_back(section["title"]);
  return all;
}

// Every figure says what is to be seen and has its numbers as text.
void check_figures(const ordered_json& page) {
  CHECK(page["answer"].get<std::string>().ends_with("."));
  for (const auto& section : page["sections"]) {
    for (const auto& figure : section["figures"]) {
      CAPTURE(figure["title"].get<std::string>());
      CHECK(figure["sentence"] != "");
      if (figure["table"].is_null()) {
        CHECK(figure["chart"]["type"] == "heat");
        continue;
      }
      for (const auto& row : figure["table"]["rows"])
        CHECK(row.size() == figure["table"]["columns"].size());
    }
  }
}

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

TEST_CASE("a page is a file of its own") {
  Values values = kRun;
  values["html"] = {"-"};
  CHECK_THROWS_WITH_AS(printed(run_command(), values),
                       "-: a page is a file of its own: say its name, such as report.html",
                       sim::ConfigError);
}
