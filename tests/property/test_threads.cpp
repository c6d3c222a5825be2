// Steps on any number of threads: the same bytes, wherever the routing lies.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/run.h"

using namespace moesim;

namespace {

// A folder that is gone when the test ends.
class Scratch {
 public:
  Scratch()
      : path_(std::filesystem::temp_directory_path() /
              ("moesim-threads-" + std::to_string(getpid()))) {}
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string answer(const workloads::Scenario& scenario, std::size_t threads) {
  return sim::io::to_text(
      workloads::to_json(workloads::run(scenario, {.threads = threads}), scenario));
}

workloads::Scenario scenario_of(std::vector<std::string> overrides) {
  overrides.push_back("step.count=5");
  return workloads::load_scenario("configs/scenarios/mixtral-8x7b-decode-h100.yaml", overrides);
}

}  // namespace

TEST_CASE("a run's answer is the same bytes on 1, 2 and 7 threads, wherever its routing lies") {
  // Each thread has a player of its own: its view of the trace's rows, its network, its prices.
  // Rows in the recorded order, drawn with replacement, one a request; drawn from a law; layers
  // that share a recorded one.
  for (const char* const routing :
       {"routing.tokens=exact", "routing.tokens=resample", "routing.order=one_per_request",
        "routing={law: zipf, skew: 0.5}", "routing.tokens=repeat"}) {
    CAPTURE(routing);
    for (const char* const network : {"network=bound", "network=fluid"}) {
      CAPTURE(network);
      const workloads::Scenario scenario = scenario_of({routing, network});
      const std::string alone = answer(scenario, 1);
      CHECK(alone.find("\"steps\": 5,") != std::string::npos);
      for (const std::size_t threads : {2u, 7u}) CHECK(answer(scenario, threads) == alone);
    }
  }
}

TEST_CASE("threads that share a trace's cache answer as those that inflate it, cold and warm") {
  // Cold: seven players at once find no entry, unpack the trace and put it in its place. Warm: all
  // read one mapped entry.
  const Scratch scratch;
  workloads::Scenario scenario = scenario_of({"network=bound"});
  const std::string inflated = answer(scenario, 1);
  for (const std::size_t threads : {7u, 2u, 1u}) {
    CAPTURE(threads);
    const auto folder = scratch.path() / std::to_string(threads);
    scenario.deployment.routing.cache = std::make_shared<const workloads::TraceCache>(folder);
    CHECK(answer(scenario, threads) == inflated);
    CHECK_FALSE(std::filesystem::is_empty(folder));
    CHECK(answer(scenario, threads) == inflated);
  }
}
