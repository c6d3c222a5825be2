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
      tools::chrome_trace(*result.recording, scenario.deployment.cluster), "timeline");

  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>> slices;
  int names = 0;
  double end = 0;
  std::int64_t in_flight = -1;
  for (const auto& event : json["traceEvents"]) {
    const std::string kind = event["ph"];
    if (kind == "M" && event["name"] == "process_name") ++names;
    if (kind == "C") in_flight = event["args"]["bytes"];
    if (kind != "X") continue;
    const double start = event["ts"], length = event["dur"];
    slices[{event["pid"], event["tid"]}].emplace_back(start, start + length);
    end = std::max(end, start + length);
  }
  CHECK(names == 8 + 1);          // the GPUs and the network
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
}
