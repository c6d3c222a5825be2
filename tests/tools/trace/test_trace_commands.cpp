#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "sim/error.h"
#include "tests/support/call_command.h"
#include "tests/support/page_data.h"
#include "tests/workloads/routing/trace_files.h"
#include "tools/moesim/trace/svg.h"
#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/statistics/comparison.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::Folder;
using moesim::tests::printed;
using workloads::ExpertId;

namespace {

// Two requests of two tokens, 1 layer, top-2 of 4.
std::string toy(const Folder& folder, const std::string& name, std::vector<ExpertId> ids) {
  workloads::TraceWriter writer(folder / name,
                                {.layers = 1, .experts = 4, .top_k = 2, .domains = {"a<b", "c"}});
  const std::vector<std::uint32_t> requests{5, 5, 6, 6}, positions{0, 1, 0, 1}, domains{0, 0, 1, 1};
  writer.append({.ids = ids, .requests = requests, .positions = positions, .domains = domains});
  writer.close();
  return (folder / name).string();
}

std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a trace goes by its name in configs, and a near one is suggested") {
  const std::string by_name = printed(trace_info_command(), {{"TRACE", {"mixtral-like"}}});
  CHECK(by_name == printed(trace_info_command(), {{"TRACE", {"configs/traces/mixtral-like.h5"}}}));
  CHECK_THROWS_WITH_AS(
      printed(trace_info_command(), {{"TRACE", {"mixtral-lik"}}}),
      "\"mixtral-lik\" is neither a file nor one of configs/traces; did you mean mixtral-like?",
      sim::ConfigError);
  // Of a path that leads nowhere the library says so.
  CHECK_THROWS_AS(printed(trace_info_command(), {{"TRACE", {"no.h5"}}}), sim::InputError);
}

TEST_CASE("shares of a mix are those of all tokens") {
  const Folder folder;
  const auto file = toy(folder, "t.h5", {0, 1, 0, 2, 3, 1, 3, 0});
  const auto mixed = [&](const std::vector<std::string>& mix) {
    return printed(trace_resample_command(), {{"TRACE", {file}},
                                              {"tokens", {"8"}},
                                              {"mix", mix},
                                              {"seed", {"1"}},
                                              {"output", {(folder / "o.h5").string()}}});
  };
  CHECK_NOTHROW(mixed({"c=1"}));
  CHECK_NOTHROW(mixed({"a<b=0.75", "c=0.25"}));
  CHECK_THROWS_WITH_AS(
      mixed({"c=0.75"}),
      "--mix: shares sum to 0.75: expected 1, of which a domain that is not named has none",
      sim::ConfigError);
}

TEST_CASE("a request's record says which experts it used") {
  const Folder folder;
  const auto file = toy(folder, "t.h5", {0, 1, 0, 2, 3, 1, 3, 0});
  const auto text = printed(trace_request_command(), {{"TRACE", {file}}, {"REQUEST", {"5"}}});
  CHECK(text == file +
                    ": request 5, 2 tokens, domain a<b\n\n"
                    "  layer  distinct  tokens on each expert, most first\n"
                    "      0         3  0x2 1x1 2x1\n");
  CHECK_THROWS_WITH_AS(printed(trace_request_command(), {{"TRACE", {file}}, {"REQUEST", {"7"}}}),
                       (file + ": has no request 7").c_str(), sim::ConfigError);
  moesim::tests::write_trace(folder / "p.h5", 1, 4, 1, {1, 2});
  const auto plain = (folder / "p.h5").string();
  CHECK_THROWS_WITH_AS(
      printed(trace_request_command(), {{"TRACE", {plain}}, {"REQUEST", {"7"}}}),
      (plain + ": does not say which request a token is of (/token/request_id)").c_str(),
      sim::InputError);
}

TEST_CASE("a trace says how often a cache of experts has those that are wanted") {
  const Folder folder;
  // Tokens want {0 1} {0 2} {3 1} {3 0}; counts 0: 3, 1: 2, 3: 2, 2: 1. With two places whoever is
  // not wanted gives way: 0 and 3 are hit once, 2 of 8; static 5 of 8. With three LRU loses 0 to
  // 3, then 2 to 0: 0, 1, 3 hit; LFU and whoever knows what comes lose 2: 0, 1, 3, 0; static 7.
  const auto file = toy(folder, "t.h5", {0, 1, 0, 2, 3, 1, 3, 0});
  CHECK(printed(trace_cache_command(), {{"TRACE", {file}}, {"slots", {"2..3"}}}) ==
        file +
            ": 4 tokens, one after another, 2 of 4 experts each; hit rate of a layer's cache, mean "
            "of "
            "1 layers (the worst one)\n\n"
            "  places of all              lru              lfu           static     look_ahead 4   "
            "        "
            "belady\n"
            "       2  50.0%    25.0 (25.0) %    25.0 (25.0) %    62.5 (62.5) %    25.0 (25.0) %   "
            " 25.0 "
            "(25.0) %\n"
            "       3  75.0%    37.5 (37.5) %    50.0 (50.0) %    87.5 (87.5) %    50.0 (50.0) %   "
            " 50.0 "
            "(50.0) %\n");
  const auto json = nlohmann::json::parse(printed(trace_cache_command(), {{"TRACE", {file}},
                                                                          {"slots", {"3"}},
                                                                          {"ahead", {"0"}},
                                                                          {"tokens", {"3"}},
                                                                          {"format", {"json"}}}));
  // Of three tokens 0 and 1 are hit, 2 of 6; nothing ahead is LRU.
  CHECK(json["tokens"] == 3);
  CHECK(json["caches"][0]["lru"]["hit_rate"].get<double>() == doctest::Approx(2.0 / 6));
  CHECK(json["caches"][0]["look_ahead"]["by_layer"] == json["caches"][0]["lru"]["by_layer"]);
  CHECK_THROWS_WITH_AS(
      printed(trace_cache_command(), {{"TRACE", {file}}, {"slots", {"1"}}}),
      "--slots: expected places from 2, the experts of a token, to 4, those of a layer, such as "
      "2..4*2, not \"1\"",
      sim::ConfigError);
  CHECK_THROWS_AS(printed(trace_cache_command(), {{"TRACE", {file}}, {"slots", {"5"}}}),
                  sim::ConfigError);
}

TEST_CASE("comparing says who moved and what a stale placement costs") {
  const Folder folder;
  // Shares of a: 0 1/2, 1 1/2; of b: 0 1/2, 2 1/2. Distance: m = 1/2 1/4 1/4 0:
  // (1/2 log2 2 + 1/2 log2 2) / 2 = 1/2, its root 0.707.
  const auto a = toy(folder, "a.h5", {0, 1, 0, 1, 0, 1, 0, 1});
  const auto b = toy(folder, "b.h5", {0, 2, 0, 2, 0, 2, 0, 2});
  const auto text = printed(trace_compare_command(), {{"TRACE", {a, b}}, {"ranks", {"2"}}});
  CHECK(text.find("The loads of a and b lie 0.707 apart") != std::string::npos);
  CHECK(text.find("1: 50.00 -> 0.00") != std::string::npos);
  // Linear: experts 0 1 on rank 0, 2 3 on rank 1: b loads both alike.
  CHECK(text.find("1.00 linear") != std::string::npos);
  CHECK_THROWS_WITH_AS(printed(trace_compare_command(), {{"TRACE", {a}}}),
                       "TRACE: expected two traces or more", sim::ConfigError);
  moesim::tests::write_trace(folder / "p.h5", 1, 8, 1, {1, 2});
  const auto other = (folder / "p.h5").string();
  CHECK_THROWS_WITH_AS(printed(trace_compare_command(), {{"TRACE", {a, other}}}),
                       (a + " has 1 layers of 4 experts, " + other +
                        " has 1 of 8: only traces of one model can be compared")
                           .c_str(),
                       sim::ConfigError);
}

TEST_CASE("a report is one page that asks for nothing else, and names are made safe") {
  const Folder folder;
  const auto a = toy(folder, "a.h5", {0, 1, 0, 1, 0, 1, 0, 1});
  const auto b = toy(folder, "b.h5", {0, 2, 0, 2, 0, 2, 0, 2});
  printed(trace_report_command(), {{"TRACE", {a, b}}, {"output", {(folder / "r.html").string()}}});
  const auto page = contents(folder / "r.html");
  CHECK(page.find("a<b") == std::string::npos);
  for (const char* elsewhere : {" src=", "<link", "@import"})
    CHECK(page.find(elsewhere) == std::string::npos);
  const auto data = moesim::tests::page_data(page);
  CHECK(data["title"] == "Routing of a.h5 and b.h5");
  // a: experts 0 and 1 take all of 8 selections, so the busiest 2 x the mean of 2; b: 0 and 2.
  CHECK(
      data["answer"] ==
      "a.h5: The busiest expert of a layer takes 2.00 x the mean; 2 experts of all layers are "
      "never used. A token shares 100.0 % of its experts with the one before it, 100.0 % with a "
      "random one. b.h5: The busiest expert of a layer takes 2.00 x the mean; 2 experts of all "
      "layers are never used. A token shares 100.0 % of its experts with the one before it, 100.0 "
      "% with a random one.");
  std::vector<std::string> sections;
  for (const auto& section : data["sections"]) sections.push_back(section["title"]);
  CHECK(sections == std::vector<std::string>{"Side by side", "a.h5: Load", "a.h5: Choices",
                                             "a.h5: Time", "b.h5: Load", "b.h5: Choices",
                                             "b.h5: Time"});
  // (1/2, 1/2, 0) and (1/2, 0, 1/2): a divergence of half a bit, a distance of its root.
  CHECK(data["sections"][0]["figures"][1]["table"]["rows"][0] ==
        nlohmann::ordered_json{"0", "0.707"});
  const auto& heat = data["sections"][1]["figures"][1]["chart"];
  CHECK(heat["type"] == "heat");
  CHECK(heat["values"] == nlohmann::ordered_json{2, 2, 0, 0});
  CHECK(data["report"]["traces"].size() == 2);
  printed(trace_report_command(), {{"TRACE", {a}}, {"output", {(folder / "r.svg").string()}}});
  CHECK(contents(folder / "r.svg").starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
}

TEST_CASE("a trace's page is written by --html, too, and has to be written somewhere") {
  const Folder folder;
  const auto a = toy(folder, "a.h5", {0, 1, 0, 1, 0, 1, 0, 1});
  printed(trace_report_command(), {{"TRACE", {a}}, {"html", {(folder / "r.html").string()}}});
  CHECK(moesim::tests::page_data(contents(folder / "r.html"))["title"] == "a.h5");
  CHECK_THROWS_WITH_AS(printed(trace_report_command(), {{"TRACE", {a}}}),
                       "moesim trace report: expected one of --html FILE, the page, and --output "
                       "FILE, the page (.html) or heat map (.svg)",
                       sim::ConfigError);
}

TEST_CASE("the collapse of an unbalanced router shows") {
  const auto folder = moesim::tests::shared_routing();
  if (folder.empty()) {
    MESSAGE("SKIPPED: ../shared/data/routing is not there");
    return;
  }
  // Its README: 15 + 16 + 5 dead experts, against none in the balanced one; max/mean 8.43
  // against 1.77.
  const auto text = printed(trace_info_command(),
                            {{"TRACE", {(folder / "switch-like-unbalanced-final.h5").string()}}});
  CHECK(text.find("    all      8.43    0.663  0.747    36       47") != std::string::npos);
}

TEST_CASE("a heat map draws each cell in the colour of its load") {
  const HeatMap map{"t", "x", "y", {"0"}, 3, {0, 1, 16}};
  const auto text = svg(map);
  CHECK(text.find("fill=\"#000000\" d=\"M0 0h1v1h-1z\"") != std::string::npos);  // none
  CHECK(text.find("fill=\"#f7d9a4\" d=\"M1 0h1v1h-1z\"") != std::string::npos);  // the mean
  CHECK(text.find("fill=\"#8b1e2d\" d=\"M2 0h1v1h-1z\"") != std::string::npos);  // over 8 times
}

TEST_CASE("groups that experts do not divide into are refused") {
  const Folder folder;
  const std::string file = (folder / "t.h5").string();
  CHECK_THROWS_WITH_AS(
      printed(trace_make_command(),
              {{"output", {file}}, {"experts", {"8"}}, {"top-k", {"2"}}, {"groups", {"3"}}}),
      "--groups: 8 experts do not divide into 3 groups of one size", sim::ConfigError);
  CHECK_THROWS_WITH_AS(printed(trace_make_command(), {{"output", {file}},
                                                      {"experts", {"8"}},
                                                      {"top-k", {"2"}},
                                                      {"groups", {"2"}},
                                                      {"groups-per-token", {"4"}}}),
                       "--groups-per-token: 4 of 2 groups", sim::ConfigError);
  CHECK_FALSE(std::filesystem::exists(file));
}

TEST_CASE("a heat map is marked at round numbers") {
  // 256 columns: five steps of 50 come to 250, which is not all of 255, so the next: 100.
  const auto text = svg(HeatMap{"t", "x", "y", {"0"}, 256, std::vector<double>(256, 1)});
  for (const char* tick : {">0</text>", ">100</text>", ">200</text>"})
    CHECK(text.find(tick) != std::string::npos);
  CHECK(text.find(">50</text>") == std::string::npos);
  CHECK(text.find(">255</text>") == std::string::npos);
}
