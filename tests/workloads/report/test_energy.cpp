// Watts and joules a token of a report, on paper and in a run.
#include "workloads/report/energy.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/yaml_reader.h"
#include "tests/support/thrown.h"
#include "workloads/run.h"

using namespace moesim;
using namespace moesim::workloads;
using doctest::Approx;

namespace {

// A card of 1 TB/s and 1 PFLOP/s.
Deployment deployment() {
  Deployment d;
  d.cluster.device.memory_bandwidth = sim::Bandwidth{1e12};
  d.cluster.device.peak[hardware::Precision::BF16] = sim::FlopRate{1e15};
  d.cluster.device.power = hardware::CardPower{.limit_w = 700,
                                               .idle_w = 100,
                                               .busy = 0.1,
                                               .memory = 0.8,
                                               .compute = 0.5,
                                               .half = 0.5,
                                               .error = 0.2,
                                               .source = "paper"};
  return d;
}

// Two cards read 10 GB and do 10 TFLOP in 10 ms: half of what both can, twice.
Report step() {
  Report report;
  report.gpus = 2;
  report.step_time_us.mean = 10'000;
  report.tokens_per_s = 1000;
  report.phases[static_cast<std::size_t>(Phase::Experts)].memory_bytes = 1e10;
  report.phases[static_cast<std::size_t>(Phase::Router)].flops = 1e13;
  return report;
}

Scenario scenario(const std::string& lines) {
  auto document = sim::io::YamlDocument::parse(
      "name: test\nmodel: configs/models/mixtral-8x7b.yaml\n"
      "cluster: configs/clusters/h100-1x8.yaml\nparallelism: {dp: 8, ep: 8}\n"
      "step: {phase: decode, batch_per_rank: 4, context: 128}\nnetwork: bound\n" +
          lines,
      "x.yaml");
  return read_scenario(document.root());
}

}  // namespace

TEST_CASE("the energy of a token, on paper") {
  // 0.1 + 0.8 x 0.5 + 0.5 x 0.5 / (0.5 + 0.5) = 0.75: 100 + 600 x 0.75 = 550 W a card, 1,100 J in
  // a second of 1,000 tokens.
  const EnergyReport cards = *energy_of(step(), deployment(), "output");
  CHECK(cards.gpu_w == Approx(550));
  CHECK(cards.total_w == Approx(1100));
  CHECK(cards.gpu_j_per_token == Approx(1.1));
  CHECK(cards.total_j_per_token == Approx(1.1));
  CHECK(cards.error == 0.2);
  CHECK(cards.origin == "fitted");
  CHECK(cards.source == "paper");
  CHECK(cards.stand_ins ==
        std::vector<std::string>{"hosts and network draw nothing (power: {host: 350 W})"});
  // Idle half of the time: 100 + 0.5 x 450.
  CHECK(energy_of(step(), deployment(), "output", 0.5)->gpu_w == Approx(325));
  // With 50 W beside each card, and a fifth more for cooling: 1.2 x 2 x 600.
  Deployment d = deployment();
  d.power = {.host_w = 50, .pue = 1.2};
  const EnergyReport all = *energy_of(step(), d, "output");
  CHECK(all.gpu_j_per_token == Approx(1.1));
  CHECK(all.total_w == Approx(1440));
  CHECK(all.total_j_per_token == Approx(1.44));
  CHECK(all.stand_ins.empty());
}

TEST_CASE("what the question says of a card comes before its file") {
  Deployment d = deployment();
  d.power = {.limit_w = 400, .idle_w = 200};
  const EnergyReport other = *energy_of(step(), d, "output");
  CHECK(other.gpu_w == Approx(200 + 200 * 0.75));
  CHECK(other.source == "limit: the scenario's");
  CHECK(other.origin == "assumed");
  REQUIRE(other.stand_ins.size() == 2);
  CHECK(other.stand_ins[0] ==
        "a limit below the card's makes it draw less here, and no kernel slower, which it would");
  // A higher limit stands for itself.
  d.power.limit_w = 800;
  CHECK(energy_of(step(), d, "output")->stand_ins.size() == 1);
  // Of a card whose file says nothing: an H100's by use, and its part of the limit when idle.
  d.cluster.device.power.reset();
  d.power = {};
  CHECK_FALSE(energy_of(step(), d, "output"));
  d.power.limit_w = 350;
  const EnergyReport assumed = *energy_of(step(), d, "output");
  CHECK(assumed.origin == "assumed");
  CHECK(assumed.stand_ins ==
        std::vector<std::string>{"power by use: H100's fit stands in",
                                 "idle power 37 W: of its limit as much as an H100",
                                 "hosts and network draw nothing (power: {host: 350 W})"});
}

TEST_CASE("a run says what its tokens take, and of what that is") {
  const Scenario s = scenario("power: {host: 350 W, pue: 1.3}\n");
  const RunResult result = run(s);
  const sim::io::Json json = to_json(result, s);
  const auto& energy = json["energy"];
  CHECK(energy["tokens"] == "output");
  CHECK(energy["origin"] == "fitted");
  CHECK(energy["error"] == 0.22);
  const double gpu_w = energy["gpu_w"], tokens = json["throughput"]["tokens_per_s"];
  CHECK(gpu_w > 74);
  CHECK(gpu_w < 700);
  CHECK(energy["gpu_j_per_token"].get<double>() == Approx(8 * gpu_w / tokens));
  CHECK(energy["total_j_per_token"].get<double>() == Approx(1.3 * 8 * (gpu_w + 350) / tokens));
  CHECK(energy["tokens_per_joule"].get<double>() ==
        Approx(1 / energy["total_j_per_token"].get<double>()));
  CHECK(json["scenario"]["power"] == sim::io::Json{{"host_w", 350.0}, {"pue", 1.3}});
  // Power changes no time.
  const Scenario plain = scenario("");
  CHECK(run(plain).report.step_times_us == result.report.step_times_us);
}

TEST_CASE("a wrong power of a scenario is told where it stands") {
  const auto message = [](const std::string& lines) {
    return moesim::tests::thrown<sim::ConfigError>([&] { (void)scenario(lines); });
  };
  CHECK(message("power: {host: 350}\n") ==
        "x.yaml:7:15: power.host: expected a power such as 700 W, not \"350\"");
  CHECK(message("power: {idle: 800 W}\n") ==
        "x.yaml:7:8: power: idle 800 W is not below the limit 700 W");
  CHECK(message("power: {pue: 0.9}\n") ==
        "x.yaml:7:14: power.pue: expected a number from 1 to 10, not \"0.9\"");
}
