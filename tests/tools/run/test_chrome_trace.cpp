#include "tools/report/chrome_trace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/io/json.h"

using namespace moesim;

TEST_CASE("a timeline has a process a GPU, a thread a stream, and slices that do not overlap") {
  const auto scenario = workloads::load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml",
                                                 {"step.count=1", "overlap.two_batch=true"});
  const auto result = workloads::run(scenario, {.keep_timeline = true});
  const auto json = sim::io::parse_json(
      tools::chrome_trace(*result.recording, scenario.deployment.cluster,
                          tools::memory_counters(*result.recording, result.report.memory)),
      "timeline");

  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> slices;
  int names = 0;
  double end = 0;
  std::int64_t in_flight = -1;
  std::map<int, std::vector<std::pair<double, int>>> arrows;  // by id: when, and whose
  std::map<std::string, double> links;
  std::map<int, double> most_memory, memory;
  for (const auto& event : json["traceEvents"]) {
    const std::string kind = event["ph"];
    if (kind == "M" && event["name"] == "process_name") ++names;
    if (kind == "C" && event["name"] == "bytes in flight") in_flight = event["args"]["bytes"];
    if (kind == "C" && event["args"].contains("use")) {
      CHECK(event["args"]["use"].get<double>() <= 1);
      links[event["name"]] = event["args"]["use"];
    }
    if (kind == "C" && event["name"] == "memory") {
      memory[event["pid"]] = event["args"]["bytes"];
      most_memory[event["pid"]] = std::max(most_memory[event["pid"]], memory[event["pid"]]);
    }
    if (kind == "s" || kind == "f") arrows[event["id"]].emplace_back(event["ts"], event["pid"]);
    if (kind != "X") continue;
    const double start = event["ts"], length = event["dur"];
    slices[{event["pid"], event["tid"]}].emplace_back(start, start + length);
    end = std::max(end, start + length);
  }
  CHECK(names == 8 + 2);          // the GPUs, the network and its links
  CHECK(slices.size() == 8 * 2);  // both streams of every GPU
  for (auto& [thread, spans] : slices) {
    std::sort(spans.begin(), spans.end());
    for (std::size_t i = 1; i < spans.size(); ++i) {
      // Times are in microseconds with six digits: a picosecond.
      CHECK(spans[i].first >= spans[i - 1].second - 1e-6);
    }
  }
  CHECK(end == doctest::Approx(result.report.step_times_us[0]).epsilon(1e-9));
  CHECK(in_flight == 0);  // what was sent has arrived

  // 32 layers of two batches on 8 GPUs: an arrow each, on its own GPU, forwards in time.
  CHECK(arrows.size() == 32 * 2 * 8);
  for (const auto& [id, ends] : arrows) {
    REQUIRE(ends.size() == 2);
    CHECK(ends[0].second == ends[1].second);
    CHECK(ends[0].first < ends[1].first);
  }
  CHECK(links.size() == 16);  // each GPU to its switch, and back
  for (const auto& [name, use] : links) CHECK(use == 0);
  CHECK(memory.size() == 8);
  const auto& plan = result.report.memory;
  for (const auto& [gpu, bytes] : memory) {
    CHECK(bytes == doctest::Approx(double(plan.peak - plan.activations)).epsilon(1e-5));
    CHECK(most_memory[gpu] > bytes);
  }
}

TEST_CASE("of training, collectives within a layer have a row beside the exchanges of tokens") {
  const auto scenario =
      workloads::load_scenario("configs/scenarios/mixtral-8x7b-training-h100.yaml");
  const auto result = workloads::run(scenario, {.keep_timeline = true});
  const auto json = sim::io::parse_json(
      tools::chrome_trace(*result.recording, scenario.deployment.cluster, {}), "timeline");
  std::map<int, std::string> rows;
  std::map<int, std::vector<std::pair<double, double>>> slices;
  for (const auto& event : json["traceEvents"]) {
    if (event["ph"] == "M" && event["name"] == "thread_name" && event["pid"] == 2)
      rows[event["tid"]] = event["args"]["name"];
    if (event["ph"] != "X" || event["tid"] == 0) continue;
    const std::string name = event["name"];
    const bool tokens = name.starts_with("dispatch") || name.starts_with("combine");
    CHECK(event["tid"] == (tokens ? 1 : 3));
    slices[event["tid"]].emplace_back(event["ts"], event["dur"]);
  }
  CHECK(rows == std::map<int, std::string>{{0, "compute"}, {1, "network"}, {3, "collectives"}});
  REQUIRE(slices.size() == 2);
  for (auto& [row, spans] : slices) {
    std::sort(spans.begin(), spans.end());
    for (std::size_t i = 1; i < spans.size(); ++i)
      CHECK(spans[i].first >= spans[i - 1].first + spans[i - 1].second - 1e-6);
  }
}
