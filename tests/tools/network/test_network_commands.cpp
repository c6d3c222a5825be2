#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/json.h"
#include "tests/support/call_command.h"
#include "tools/moesim/network/network_commands.h"

using namespace moesim;
using namespace moesim::tools;
using moesim::tests::printed;
using sim::io::Json;

namespace {

std::string message(const std::function<void()>& act) {
  try {
    act();
  } catch (const sim::Error& error) {
    return error.what();
  }
  return "no error";
}

std::string matrix_file(const std::string& text) {
  const auto file = std::filesystem::temp_directory_path() / "moesim-test-matrix.csv";
  std::ofstream(file) << text;
  return file.string();
}

}  // namespace

TEST_CASE("a size without a unit is bytes, as the option's name says") {
  const auto time = [](const char* bytes) {
    return Json::parse(printed(exchange_command(), {{"CLUSTER", {"h100-1x8"}},
                                                    {"ranks", {"8"}},
                                                    {"bytes", {bytes}},
                                                    {"format", {"json"}}}))["completion_us"];
  };
  CHECK(time("1048576") == time("1 MiB"));
}

TEST_CASE("an exchange's bandwidths are those of nccl-tests") {
  // 8 ranks send 9 MB to each other, 63 MB a port at 450 GB/s: 140 us and 500 ns of path.
  // The buffer is 8 x 9 MB: algbw 72 MB / 140.5 us = 512.456 GB/s; busbw 7/8 of it.
  const Json json = Json::parse(printed(
      exchange_command(),
      {{"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}, {"bytes", {"9 MB"}}, {"format", {"json"}}}));
  CHECK(json["completion_us"].get<double>() == doctest::Approx(140.5));
  CHECK(json["lower_bound_us"].get<double>() == doctest::Approx(140.5));
  CHECK(json["algbw_GBps"].get<double>() == doctest::Approx(72e3 / 140.5));
  CHECK(json["busbw_GBps"].get<double>() == doctest::Approx(63e3 / 140.5));
  CHECK(json["links"].size() == 16);
  CHECK(json["links"][0]["bytes"] == 63'000'000);
  CHECK(json.contains("events"));
}

TEST_CASE("an exchange says what its tolerance makes it late by at most") {
  const auto asked = [](const char* ranks, const char* network, const char* tolerance,
                        const char* format) {
    return printed(exchange_command(), {{"CLUSTER", {"h100-8x8"}},
                                        {"ranks", {ranks}},
                                        {"algorithm", {"deepep_low_latency"}},
                                        {"law", {"log_normal"}},
                                        {"network", {network}},
                                        {"tolerance", {tolerance}},
                                        {"format", {format}}});
  };
  const auto json = [&](const char* ranks, const char* network, const char* tolerance) {
    return Json::parse(asked(ranks, network, tolerance, "json"));
  };
  // No play is faster than the lower bound: completion x (1 - late) is it, and a play that spends
  // next to nothing of its tolerance lies between the two. What ports idle is within the tolerance.
  const Json tolerant = json("64", "fluid", "0.01"), tight = json("64", "fluid", "1e-6");
  const auto us = [](const Json& of, const char* key) { return of[key].get<double>(); };
  const double late = us(tolerant, "late_at_most"), idled = us(tolerant, "idled_at_most");
  CHECK(us(tolerant, "completion_us") * (1 - late) ==
        doctest::Approx(us(tolerant, "lower_bound_us")));
  CHECK(us(tight, "completion_us") >= us(tolerant, "completion_us") * (1 - late) * (1 - 1e-9));
  CHECK(us(tight, "completion_us") < us(tolerant, "completion_us"));
  CHECK(idled > 1e-4);
  CHECK(idled <= 0.01);
  CHECK(asked("64", "fluid", "0.01", "text")
            .find(fmt::format("\n  tolerance     1 %: late by {:.2f} % at most; a full port idled "
                              "{:.2g} % of its time at most\n",
                              100 * late, 100 * idled)) != std::string::npos);
  // Over links it is not counted what idles.
  const Json few = json("8", "fluid", "0.01");
  CHECK(few["idled_at_most"].is_null());
  CHECK(asked("8", "fluid", "0.01", "text")
            .find(fmt::format("\n  tolerance     1 %: late by {:.2f} % at most\n",
                              100 * us(few, "late_at_most"))) != std::string::npos);
  // What is exact is not late.
  for (const auto& [network, tolerance] : {std::pair{"fluid", "0"}, std::pair{"bound", "0.01"}}) {
    CHECK(json("8", network, tolerance)["late_at_most"] == 0.0);
    CHECK(json("8", network, tolerance)["idled_at_most"].is_null());
    CHECK(asked("8", network, tolerance, "text").find("tolerance") == std::string::npos);
  }
}

TEST_CASE("an exchange says whose numbers it rests on, and what it goes beyond") {
  const auto asked = [](const char* cluster, const char* ranks, const char* format) {
    return printed(exchange_command(), {{"CLUSTER", {cluster}},
                                        {"ranks", {ranks}},
                                        {"bytes", {"1 MiB"}},
                                        {"algorithm", {"all_reduce"}},
                                        {"format", {format}}});
  };
  // 28.82 us by TensorRT-LLM's fit, which has [0.9406, 1.0714] for its 10th and 90th percentile.
  CHECK(asked("h100-1x8", "8", "text")
            .find("  priced by     custom_allreduce trtllm graph: 80 % interval 27.11 us to 30.88 "
                  "us\n") != std::string::npos);
  const Json json = Json::parse(asked("h100-2x8", "16", "json"));
  CHECK(json["priced_by"] == "nccl nccl all_reduce");
  CHECK(json["extrapolated"] ==
        "nccl nccl all_reduce_internode: no fit, nccl all_reduce stands in");
  CHECK(json["interval"]["completion_us"]["p90"].get<double>() >
        1.2 * json["completion_us"].get<double>());
}

TEST_CASE("an exchange's answers differed from run to run by how long the simulation took") {
  const auto answer = [](bool timed, const char* format) {
    std::map<std::string, std::vector<std::string>> given{
        {"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}, {"bytes", {"9 MB"}}, {"format", {format}}};
    if (timed) given["time"] = {"true"};
    return printed(exchange_command(), given);
  };
  CHECK(answer(false, "json") == answer(false, "json"));
  CHECK(answer(false, "text") == answer(false, "text"));
  CHECK(Json::parse(answer(false, "json"))["wall_s"].is_null());
  CHECK(Json::parse(answer(true, "json"))["wall_s"].get<double>() >= 0);
}

TEST_CASE("a matrix gives each pair its bytes, and a slow NIC shows") {
  const std::string file = matrix_file("0,5000000\n10000000,0\n");
  const auto time = [&](std::vector<std::string> set) {
    return Json::parse(printed(exchange_command(), {{"CLUSTER", {"h100-2x8-back-to-back"}},
                                                    {"ranks", {"2"}},
                                                    {"matrix", {file}},
                                                    {"set", std::move(set)},
                                                    {"format", {"json"}}}))["completion_us"]
        .get<double>();
  };
  // Ranks 0 and 1 are in one node: 10 MB at 450 GB/s, and at a quarter of it.
  CHECK(time({}) == doctest::Approx(10e3 / 450 + 0.5));
  CHECK(time({"faults=[{at: gpu1, capacity: 0.25}]"}) == doctest::Approx(40e3 / 450 + 0.5));
}

TEST_CASE("a matrix that does not fit is refused with its line") {
  const auto read = [](const std::string& text, sim::Rank ranks) {
    const std::string file = matrix_file(text);
    const std::string all = message([&] { (void)read_matrix(file, ranks); });
    return all.starts_with(file) ? all.substr(file.size()) : all;
  };
  CHECK(read("0,1\n2,x\n", 2) == ":2: column 2: expected a whole number of bytes, not \"x\"");
  CHECK(read("0,1\n2,-3\n", 2) == ":2: column 2: expected a whole number of bytes, not \"-3\"");
  CHECK(read("0,1,2\n", 2) == ":1: more than 2 columns, one for each rank");
  CHECK(read("0\n", 2) == ":1: 1 columns, but there are 2 ranks");
  CHECK(read("0,1\n", 2) == ":2: 1 rows, but there are 2 ranks");
  CHECK(read("0,1\n2,0\n0,0\n", 2) == ":3: more than 2 rows, one for each rank");
  CHECK(read("0;1\n", 2) == ":1: column 1: expected a comma after the number");
}

TEST_CASE("what an exchange lacks is said") {
  const Command command = exchange_command();
  const auto text = [&](const std::map<std::string, std::vector<std::string>>& values) {
    return message([&] { (void)printed(command, values); });
  };
  CHECK(text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}}) ==
        "what is sent: give either --bytes SIZE (of each pair; with --law zipf their mean) or "
        "--matrix FILE.csv");
  CHECK(text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"9"}}, {"bytes", {"1 MB"}}}) ==
        "9 ranks, but \"One DGX H100, 8 H100 SXM\" has 8");
  CHECK(text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}, {"bytes", {"1 MG"}}}) ==
        "--bytes: expected a size, such as 80 GiB or 1048576, not \"1 MG\"");
  CHECK(text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}, {"algorithm", {"all_reduce"}}}) ==
        "--algorithm all_reduce needs --bytes, the size of the whole buffer");
  CHECK(text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"8"}}, {"set", {"nodes"}}}) ==
        "--set: expected PATH=VALUE, such as nodes=4, not \"nodes\"");
  CHECK(
      text({{"CLUSTER", {"h100-1x8"}}, {"ranks", {"7"}}, {"algorithm", {"deepep_low_latency"}}}) ==
      "256 experts cannot be dealt out evenly to 7 ranks");
}

TEST_CASE("a topology is counted, and drawn") {
  const Json json =
      Json::parse(printed(topology_command(), {{"CLUSTER", {"h100-2x8"}}, {"format", {"json"}}}));
  CHECK(json["ranks"] == 16);
  CHECK(json["nics"] == 16);
  // 8 NICs of 50 GB/s lead from one node to the other.
  CHECK(json["bisection_GBps"] == 400);
  const auto dot = printed(topology_command(), {{"CLUSTER", {"h100-1x2"}}, {"format", {"dot"}}});
  CHECK(dot.find("\"gpu0\" -- \"node0.switch\"") != std::string::npos);
  const auto svg = printed(topology_command(), {{"CLUSTER", {"h100-1x2"}}, {"format", {"svg"}}});
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
}

TEST_CASE("options that do not apply to an algorithm are refused") {
  const auto refused = [](const std::string& algorithm,
                          std::map<std::string, std::vector<std::string>> more) {
    more.insert({{"CLUSTER", {"h100-1x4"}}, {"ranks", {"4"}}, {"algorithm", {algorithm}}});
    return message([&] { printed(exchange_command(), more); });
  };
  CHECK(refused("deepep_low_latency", {{"matrix", {"no-such-file.csv"}}}) ==
        "--matrix: does not apply to --algorithm deepep_low_latency, which takes tokens: --tokens, "
        "--hidden");
  CHECK(refused("deepep_normal", {{"bytes", {"1MiB"}}}) ==
        "--bytes: does not apply to --algorithm deepep_normal, which takes tokens: --tokens, "
        "--hidden");
  CHECK(refused("all_reduce", {{"bytes", {"1MiB"}}, {"tokens", {"4"}}}) ==
        "--tokens: does not apply to --algorithm all_reduce, which takes one buffer: --bytes");
  CHECK(refused("all_reduce", {{"bytes", {"1MiB"}}, {"law", {"zipf"}}}) ==
        "--law: does not apply to --algorithm all_reduce, which takes one buffer: --bytes");
  CHECK(refused("direct", {{"bytes", {"1MiB"}}, {"experts", {"4"}}}) ==
        "--experts: does not apply to --algorithm direct, which takes bytes of pairs: --bytes or "
        "--matrix");
  CHECK(refused("direct", {{"bytes", {"1MiB"}}, {"skew", {"1"}}}) ==
        "--skew: does not apply to --algorithm direct, where all pairs are alike: --law zipf has a "
        "skew");
  CHECK(refused("direct", {{"bytes", {"10000 PB"}}}) ==
        "--bytes: \"10000 PB\" is more than 9.2e18 bytes, which is the most");
}

TEST_CASE("a drawing had no labels, no legend and no view box, and 72 devices ran off the screen") {
  const auto svg = printed(topology_command(), {{"CLUSTER", {"gb200-nvl72"}}, {"format", {"svg"}}});
  // Four rows of 18 devices, 26 apart, and 20 on either side.
  CHECK(svg.find(" viewBox=\"0 0 508 ") != std::string::npos);
  CHECK(svg.find("max-height:100vh") != std::string::npos);
  for (const char* label : {">71</text>", ">node0.switch</text>", ">device</text>",
                            ">switch</text>", ">scale_up 900 GB/s</text>"}) {
    CAPTURE(label);
    CHECK(svg.find(label) != std::string::npos);
  }
  CHECK(svg.find(">down</text>") == std::string::npos);
  const auto broken =
      printed(topology_command(), {{"CLUSTER", {"h100-2x8"}},
                                   {"format", {"svg"}},
                                   {"set", {"faults=[{at: node0.nic3, capacity: 0}]"}}});
  CHECK(broken.find(">down</text>") != std::string::npos);
  CHECK(broken.find(">NIC</text>") != std::string::npos);
}
