#include "hardware/power.h"

#include <doctest/doctest.h>

#include <cmath>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/thrown.h"

using namespace moesim;
using namespace moesim::hardware;
using doctest::Approx;

TEST_CASE("a card's power by its use, on paper") {
  const CardPower card{
      .limit_w = 700, .idle_w = 100, .busy = 0.1, .memory = 0.8, .compute = 0.5, .half = 0.5};
  CHECK(power_of(card, {}) == 100);
  // Busy alone: 100 + 600 x 0.1.
  CHECK(power_of(card, {.busy = 1}) == Approx(160));
  // 0.1 + 0.8 x 0.5 + 0.5 x 0.5 / (0.5 + 0.5) = 0.75: 100 + 600 x 0.75.
  CHECK(power_of(card, {.busy = 1, .memory = 0.5, .compute = 0.5}) == Approx(550));
  // Never above the limit.
  CHECK(power_of(card, {.busy = 1, .memory = 1, .compute = 1}) == 700);
}

TEST_CASE("an H100's measured loads are within what its file says that readings lie off") {
  const auto power = load_power("configs/devices/h100.yaml");
  REQUIRE(power);
  CHECK(power->stand_ins.empty());
  const auto table = sim::io::CsvTable::read("validation/measured/h100-2026-11-28/power.csv");
  const auto column = [&](const char* name) { return table.column(name); };
  int compared = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    // The first load says 224 W and a power cap at once: it is no reading of this load.
    if (table.text(row, column("impl")) == "moesim_mma") continue;
    CAPTURE(table.where(row));
    const double seconds = table.number(row, column("p50_us")) * 1e-6;
    const double peak = table.text(row, column("dtype")) == "bf16" ? 989.4e12 : 1978.9e12;
    const PowerUse use{.busy = 1,
                       .memory = table.number(row, column("bytes")) / seconds / 3.35e12,
                       .compute = table.number(row, column("flops")) / seconds / peak};
    const double measured = table.number(row, column("watts"));
    CAPTURE(measured);
    CHECK(std::abs(power_of(*power, use) / measured - 1) < power->error);
    ++compared;
  }
  CHECK(compared == 5);
  // Serving, as published (InferenceX issue 828), with this program's use of memory and arithmetic.
  const double published[4][3] = {
      {0.13, 0, 221}, {0.19, 0, 253}, {0.37, 0.06, 480}, {0.37, 0.10, 520}};
  for (const auto& row : published) {
    const double watts = row[2];
    CAPTURE(watts);
    const double found = power_of(*power, {.busy = 1, .memory = row[0], .compute = row[1]});
    CHECK(std::abs(found / watts - 1) < 0.04);
  }
}

TEST_CASE("what a device does not say of its power is an H100's, and said") {
  const auto h200 = load_power("configs/devices/h200.yaml");
  REQUIRE(h200);
  CHECK(h200->limit_w == 700);
  CHECK(h200->idle_w == Approx(74));
  CHECK(h200->error == 0.30);
  CHECK(h200->stand_ins ==
        std::vector<std::string>{"idle power 74 W: of its limit as much as an H100",
                                 "power by use: H100's fit stands in"});
  // A card that was measured is its family's.
  const auto measured = load_power("configs/devices/h100.measured.yaml");
  REQUIRE(measured);
  CHECK(measured->stand_ins == std::vector<std::string>{"limit and idle power: those of h100"});
  CHECK_FALSE(load_power("configs/devices/tpu-v4.yaml"));
}

TEST_CASE("how a measured card draws is its own, its limit and idle power are its family's") {
  const moesim::tests::TemporaryFolder folder;
  folder.file("base.yaml", "power: {limit: 500 W, source: x}\n");
  const auto file = folder.file(
      "mine.yaml",
      "family: base\npower: {parts: {busy: 0.2, memory: 0.5, compute: 0.6, half: 0.3, error: 0.1}, "
      "source: y}\n");
  const auto power = load_power(file);
  REQUIRE(power);
  CHECK(power->limit_w == 500);
  CHECK(power->memory == 0.5);
  CHECK(power->error == 0.1);
  CHECK(power->source == "x; y");
  CHECK(power->stand_ins ==
        std::vector<std::string>{"limit and idle power: those of base",
                                 "idle power 53 W: of its limit as much as an H100"});
}

TEST_CASE("a wrong power is told where it stands") {
  const moesim::tests::TemporaryFolder folder;
  const auto message = [&](const std::string& power) {
    const auto file = folder.file("d.yaml", "power: " + power + "\n");
    return moesim::tests::thrown<sim::ConfigError>([&] { (void)load_power(file); });
  };
  CHECK(message("{limit: 700, source: x}") ==
        (folder.path() / "d.yaml").string() +
            ":1:16: power.limit: expected a power such as 700 W, not \"700\"");
  CHECK(message("{limit: 70 W, idle: 74 W, source: x}") ==
        (folder.path() / "d.yaml").string() + ":1:28: power.idle: is not below the limit");
  // Without a family there is no limit but its own.
  CHECK(message("{source: x}") ==
        (folder.path() / "d.yaml").string() + ":1:8: power: key \"limit\" is missing");
}
