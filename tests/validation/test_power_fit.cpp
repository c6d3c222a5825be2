#include "validation/calibrate/power_fit.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "hardware/device.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "validation/calibrate/device_file.h"

using namespace moesim;
using namespace moesim::validation;
using doctest::Approx;
using hardware::CardPower;

namespace {

constexpr const char* kColumns = "role,op,impl,dtype,bytes,flops,p50_us,watts,flags\n";

// What such a card draws under five loads.
std::vector<PowerLoad> loads_of(const CardPower& card) {
  std::vector<PowerLoad> loads{{"copy", {.busy = 1, .memory = 0.85}},
                               {"read", {.busy = 1, .memory = 0.9}},
                               {"large", {.busy = 1, .memory = 0.1, .compute = 0.7}},
                               {"fp8", {.busy = 1, .memory = 0.05, .compute = 0.5}},
                               {"small", {.busy = 1, .memory = 0.3, .compute = 0.05}}};
  for (PowerLoad& load : loads) load.watts = hardware::power_of(card, load.use);
  return loads;
}

double farthest(const CardPower& card, const std::vector<PowerLoad>& loads) {
  double most = 0;
  for (const PowerLoad& load : loads)
    most = std::max(most, std::abs(hardware::power_of(card, load.use) / load.watts - 1));
  return most;
}

}  // namespace

TEST_CASE("the points of a load say how it uses the card") {
  const hardware::Device h100 = hardware::load_device("configs/devices/h100.yaml");
  const auto found =
      power_loads(sim::io::CsvTable::parse(
                      std::string(kColumns) +
                          // 6.7 GB in 4 ms are 1.675 TB/s, half of 3.35.
                          "power,copy,moesim,bf16,6700000000,0,4000,600,power_cap\n"
                          // 1e12 FLOP in 4 ms are 250 TFLOP/s of 1978.9; 6.7 MB are 1.675 GB/s.
                          "power,gemm,moesim_fp8,fp8_block,6700000,1e12,4000,500,\n"
                          "power,gemm,moesim_mma,bf16,6700000,1e12,4000,224,power_cap\n"
                          "power,gemm,moesim_mma,bf16,6700000,1e12,4000,224,\n"
                          "power,gemm,other,nvfp4,6700000,1e12,4000,500,\n"
                          "power,read,moesim,bf16,6700000000,0,,,skipped: no time\n"
                          "ceiling,copy,moesim,bf16,6700000000,0,4000,600,\n",
                      "p.csv"),
                  h100);
  REQUIRE(found.loads.size() == 3);
  CHECK(found.loads[0].what == "copy");
  CHECK(found.loads[0].watts == 600);
  CHECK(found.loads[0].use.busy == 1);
  CHECK(found.loads[0].use.memory == Approx(0.5));
  CHECK(found.loads[0].use.compute == 0);
  CHECK(found.loads[1].what == "fp8_block moesim_fp8");
  CHECK(found.loads[1].use.memory == Approx(0.0005));
  CHECK(found.loads[1].use.compute == Approx(250 / 1978.9));
  CHECK(found.loads[2].watts == 224);  // low, and no cap: it may be so
  CHECK(found.left_out ==
        std::vector<std::string>{"p.csv:4: bf16 moesim_mma: 224 W and a power cap at once",
                                 "p.csv:6: nvfp4 other: H100 SXM has no peak for nvfp4",
                                 "p.csv:7: read: no time or no watts"});
}

TEST_CASE("a card that draws as the other does is fitted as the other, and another one moves it") {
  const CardPower prior{
      .limit_w = 700, .idle_w = 74, .busy = 0.14, .memory = 0.75, .compute = 0.95, .half = 0.2};
  const auto same = fit_power(loads_of(prior), prior);
  REQUIRE(same);
  CHECK(same->loads == 5);
  CHECK(same->card.memory == Approx(0.75).epsilon(1e-3));
  CHECK(same->card.half == Approx(0.2).epsilon(1e-3));
  CHECK(same->card.error < 1e-3);
  CHECK(same->card.limit_w == 700);

  // One whose memory draws a third less and whose units draw a quarter less: copies are 19 % off
  // before. With five readings of 10 % against parts of 50 % most of that goes.
  const CardPower other{
      .limit_w = 700, .idle_w = 74, .busy = 0.14, .memory = 0.5, .compute = 0.7, .half = 0.2};
  const auto loads = loads_of(other);
  CHECK(farthest(prior, loads) > 0.19);
  const auto fit = fit_power(loads, prior);
  REQUIRE(fit);
  CHECK(farthest(fit->card, loads) < 0.02);
  CHECK(fit->card.memory < 0.55);
  CHECK(fit->card.compute < 0.85);
}

// One part alone: with no half to speak of, compute C / (C + half) is 1 for any C, and P - idle is
// (limit - idle) (busy + memory M). Three readings of loads with M = 0 say busy = 0.28, twice the
// prior's 0.14: with x = ln(busy / 0.14) and idle 0 the loss is 3 (x - ln 2)^2 / 0.01 + x^2 / 0.25,
// least at x = ln 2 x 300 / 304 = 0.98684 ln 2, so that busy is 0.14 x 2^0.98684 = 0.27746.
TEST_CASE("how far a part moves, on paper") {
  const CardPower prior{
      .limit_w = 1000, .idle_w = 0, .busy = 0.14, .memory = 0.75, .compute = 0.95, .half = 0.2};
  const std::vector<PowerLoad> loads{
      {"a", {.busy = 1}, 280}, {"b", {.busy = 1}, 280}, {"c", {.busy = 1}, 280}};
  const auto fit = fit_power(loads, prior);
  REQUIRE(fit);
  CHECK(fit->card.busy == Approx(0.27746).epsilon(2e-4));
  CHECK(fit->card.memory == Approx(0.75).epsilon(2e-3));
  // Of two readings x is ln 2 x 200 / 204: the third lies 2^(4 / 204) - 1 = 1.35 % above, the
  // prediction 1.34 % below.
  CHECK(fit->card.error == Approx(1 - std::exp2(-4.0 / 204)).epsilon(0.05));
}

TEST_CASE("fewer than three kinds of load fit nothing") {
  const CardPower prior{.limit_w = 700, .idle_w = 74};
  auto loads = loads_of(prior);
  loads.resize(2);
  loads.push_back(loads.back());
  CHECK_FALSE(fit_power(loads, prior));
  CHECK_FALSE(fit_power({}, prior));
}

TEST_CASE("the loads of a visit to an H100 are fitted, and its device draws as they say") {
  const tests::TemporaryFolder folder;
  const auto base_file = std::filesystem::absolute("configs/devices/h100.yaml");
  const hardware::Device h100 = hardware::load_device(base_file);
  const auto found =
      power_loads(sim::io::CsvTable::read("validation/measured/h100-2026-11-28/power.csv"), h100);
  CHECK(found.loads.size() == 5);
  CHECK(found.left_out.size() == 1);
  REQUIRE(h100.power);
  const auto fit = fit_power(found.loads, *h100.power);
  REQUIRE(fit);
  CHECK(fit->loads == 4);
  CHECK(farthest(fit->card, found.loads) < farthest(*h100.power, found.loads));
  // A read draws 490 W and a copy 677 of about as many bytes a second, and no part tells them
  // apart: without the read's own reading it is predicted as the copy's.
  CHECK(fit->card.error > 677.0 / 490 - 1);
  CHECK(fit->card.error < 0.5);

  PointsSummary points;
  points.device = "an H100";
  folder.file("mine.fitted.yaml", "models: []\n");
  folder.file("mine.yaml", device_yaml({.name = "mine", .base = base_file, .power = fit}, h100,
                                       points, "mine.fitted.yaml"));
  const auto own = hardware::load_device(folder.path() / "mine.yaml").power;
  REQUIRE(own);
  CHECK(own->limit_w == 700);
  CHECK(own->idle_w == 74);
  CHECK(own->memory == Approx(fit->card.memory).epsilon(0.01));
  CHECK(own->error == Approx(fit->card.error).epsilon(0.05));
  CHECK(own->stand_ins == std::vector<std::string>{"limit and idle power: those of " +
                                                   (base_file.parent_path() / "h100").string()});
}
