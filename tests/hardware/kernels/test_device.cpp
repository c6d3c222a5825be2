#include <doctest/doctest.h>

#include "hardware/carry_over.h"
#include "sim/error.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;
using namespace moesim::sim::literals;

namespace {

std::string error_of(const std::filesystem::path& file) {
  try {
    (void)load_device(file);
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("every device that ships can be read and has rates, memory and a source") {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs/devices")) {
    const std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".yaml" || stem.find('.') != std::string::npos) continue;
    CAPTURE(stem);
    const Device device = load_device(entry.path());
    CHECK(!device.name.empty());
    CHECK(!device.provenance.source.empty());
    CHECK(device.multiprocessors > 0);
    CHECK(device.memory > 1_GB);
    CHECK(peak_rate(device, Precision::BF16).flop_per_second() > 1e12);
    ++count;
  }
  CHECK(count >= 12);
}

TEST_CASE("H200 takes its rates from its own file and fitted constants from H100") {
  const Device h100 = shipped("h100"), h200 = shipped("h200");
  CHECK(h100.memory_bandwidth == sim::Bandwidth(3.35e12));
  CHECK(h200.memory_bandwidth == sim::Bandwidth(4.8e12));
  const FittedModel* own = find_fitted(h100, "gemm", "trtllm", "bf16");
  const FittedModel* carried = find_fitted(h200, "gemm", "trtllm", "bf16");
  REQUIRE(own != nullptr);
  REQUIRE(carried != nullptr);
  CHECK(own->carried_from.empty());
  CHECK(carried->carried_from == "H100 SXM");
  CHECK(!carried->other_generation);
  for (const auto& [name, value] : carried->parameters)
    CHECK((value == own->parameters.at(name)) == !is_of_passes(name));  // carry_over.h
  CHECK(carried->parameters.size() == own->parameters.size());
  CHECK(find_fitted(shipped("a100"), "gemm", "trtllm", "bf16")->other_generation);
}

TEST_CASE("fp8 on a device without fp8 units computes at the rate of bf16") {
  CHECK(peak_rate(shipped("a100"), Precision::FP8Block) == sim::FlopRate(312e12));
  CHECK(peak_rate(shipped("h100"), Precision::FP8Block) == sim::FlopRate(1978.9e12));
}

TEST_CASE("all mistakes of a device file are told at once, with their places") {
  const DeviceFolder folder("device-mistakes");
  const auto file = folder.write(
      "bad.yaml",
      "name: test\ngeneration: hopper\nmultiprocessors: 0\npeak: {bf17: 1 TFLOP/s}\n"
      "memory: {capacity: 80 GB, bandwith: 1 TB/s, l2: 50 MiB}\n"
      "launch: {graph: 2 us, host: 5 us}\nallocator: {context: 500 MiB, granularity: 2 MiB}\n"
      "source: a test\n");
  const std::string message = error_of(file);
  CHECK(message.find("bad.yaml:3:18: multiprocessors: expected a whole number from 1 to 100000") !=
        std::string::npos);
  CHECK(message.find("bad.yaml:4:14: peak.bf17: \"bf17\" is no number format; they are fp64") !=
        std::string::npos);
  CHECK(message.find("unknown key \"bandwith\"; did you mean \"bandwidth\"?") != std::string::npos);
}

TEST_CASE("a fitted file that cannot be read is told where it is named") {
  const DeviceFolder folder("device-fitted");
  const std::string message = error_of(folder.write("a.yaml", device_text("fitted: no.yaml\n")));
  CHECK(message.find("a.yaml:9:9: fitted: ") != std::string::npos);
  CHECK(message.find("no.yaml: cannot be read: No such file or directory") != std::string::npos);
}

TEST_CASE("a family that is not there and a circle of families are refused") {
  const DeviceFolder folder("device-families");
  CHECK(error_of(folder.write("a.yaml", device_text("family: nowhere\n")))
            .find("a.yaml:9:9: family: there is no device file nowhere.yaml") != std::string::npos);
  folder.write("b.yaml", device_text("family: c\n"));
  const std::string circle = error_of(folder.write("c.yaml", device_text("family: b\n")));
  CHECK(circle.find("family: the families form a circle") != std::string::npos);
}

TEST_CASE("fitted models are those of the file's text, whenever it is read") {
  // Texts are remembered: each of these comes back, and a file that changes is another text. One
  // with a mistake is wrong each time.
  const DeviceFolder folder("device-remembered");
  const auto fits = [](int a) {
    return "models:\n  - kind: gemm\n    implementation: trtllm\n    parameters: {a: " +
           std::to_string(a) + "}\n    provenance: {origin: fitted, source: a test}\n";
  };
  for (int round = 0; round < 2; ++round) {
    for (int a = 0; a < 20; ++a) {
      const auto models = load_fitted(folder.write("f.yaml", fits(a)));
      REQUIRE(models.size() == 1);
      CHECK(models[0].parameters.at("a") == a);
    }
  }
  folder.write("g.yaml", "models: 3\n");
  folder.write("d.yaml", device_text("fitted: g.yaml\n"));
  const std::string once = error_of(folder.write("d.yaml", device_text("fitted: g.yaml\n")));
  CHECK(once.find("g.yaml:1:9: models: expected a list, not \"3\"") != std::string::npos);
  CHECK(error_of(folder.write("d.yaml", device_text("fitted: g.yaml\n"))) == once);
}

TEST_CASE("a residual table must have a value for each crossing of its knots") {
  const DeviceFolder folder("device-residual");
  const auto error_with = [&](const std::string& permille) {
    folder.write("f.yaml",
                 "models:\n  - kind: gemm\n    implementation: trtllm\n    parameters: {a: 1}\n"
                 "    residual: {axes: {m: [1, 2], n: [1, 2]}, ln_permille: " +
                     permille + "}\n    provenance: {origin: fitted, source: a test}\n");
    return error_of(folder.write("d.yaml", device_text("fitted: f.yaml\n")));
  };
  CHECK(error_with("1 -2 3").find("f.yaml:5:59: ") != std::string::npos);
  CHECK(error_with("1 -2 3").find(
            "expected 4 values, one for each crossing of the axes' knots, not 3") !=
        std::string::npos);
  CHECK(error_with("1 -2 3x 4")
            .find("expected integers between blanks, not \"3x\" after 2 of them") !=
        std::string::npos);
}
